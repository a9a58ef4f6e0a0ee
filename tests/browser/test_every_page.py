"""Every page, once: axe content in light and dark, nothing foreign, nothing sideways on a phone."""

from collections.abc import Iterator
from itertools import count

from tests.browser.conftest import Opens
from tests.browser.mailbox import Mailbox
from tests.browser.site import Site
from tests.browser.test_flows import PHONE
from tests.browser.visitor import Visitor
from tests.browser.watch import MISSING, axe_faults
from tests.screenshots import walk


def pages(visitor: Visitor, mailbox: Mailbox, site: Site) -> Iterator[str]:
    assert visitor.watch is not None
    visitor.watch.allows = MISSING  # the last one is the page for an address that leads nowhere
    numbers = count(1)
    for name in walk(visitor, lambda: mailbox.code("alice@home.example", next(numbers)), site):
        visitor.watch.inspect(visitor.page)
        yield name


def test_every_page_fits_a_phone_and_axe_is_content(
    opens: Opens, mailbox: Mailbox, site: Site
) -> None:
    visitor = opens(**PHONE)

    faults = {name: axe_faults(visitor.page) for name in pages(visitor, mailbox, site)}

    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) > 35


def test_axe_would_complain_of_a_fault(opens: Opens) -> None:
    visitor = opens()
    visitor.page.goto("/signin")
    visitor.page.evaluate("document.querySelector('label').remove()")

    assert ("dark", "label") in [fault[:2] for fault in axe_faults(visitor.page)]
