"""The slots of a machine: no two processes hold the same one, and some are kept (S-101)."""

from pathlib import Path

import pytest

from accounts.hash_slots import FOLDER, Slots


@pytest.mark.parametrize(
    ("places", "strangers", "known"), [(1, 1, 1), (2, 1, 1), (4, 3, 1), (16, 12, 4)]
)
def test_known_people_have_slots_that_strangers_cannot_take(
    tmp_path: Path, places: int, strangers: int, known: int
) -> None:
    slots = Slots(tmp_path / FOLDER, places)
    assert (len(slots.for_strangers), len(slots.for_known)) == (strangers, known)
    held = [slots.take(is_known=False) for _ in range(strangers)]
    assert None not in held
    assert slots.take(is_known=False) is None
    others = [slots.take(is_known=True) for _ in range(known)]
    assert None not in others
    assert Slots(tmp_path / FOLDER, places).take(is_known=True) is None  # another process
    for slot in held:
        assert slot is not None
        slot.free()
    assert slots.take(is_known=True) is not None  # known people may have those as well
