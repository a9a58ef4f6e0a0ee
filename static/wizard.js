// What the pages do beyond links and forms. Nothing here is needed: without
// script every page works with the same guarantees.
(() => {
  "use strict";
  const find = (selector) => document.querySelector(selector);
  const live = () => find("#live");
  const KEPT = "onward-resume"; // proves this very tab; worth nothing without the sign-in
  let leaving = false; // a native submit is under way: it leaves the page in the right way

  // A set-up page that is left voids its set-up. The beacon names its own ticket:
  // on a reload the new page is asked for before the old page's beacon arrives.
  addEventListener("pagehide", () => {
    const ticket = find("#form [name=ticket]");
    // A hidden page may be a tab that a phone discarded: it may come back.
    if (!ticket || leaving || document.visibilityState === "hidden") return;
    sessionStorage.removeItem(KEPT);
    const body = new URLSearchParams({
      ticket: ticket.value,
      csrf_token: find("#form [name=csrf_token]").value,
    });
    navigator.sendBeacon("/setup/leave", body);
  });

  // The belt to the braces of status 202: a page out of the back/forward cache is void.
  addEventListener("pageshow", (event) => {
    leaving = false;
    if (event.persisted && find("#form [name=ticket]")) location.replace("/setup");
    for (const button of document.querySelectorAll("[data-once] button[disabled]")) button.disabled = false;
  });

  const keep = () => {
    const proof = find("#step")?.dataset.proof;
    if (proof) sessionStorage.setItem(KEPT, proof);
    else sessionStorage.removeItem(KEPT);
  };

  // A phone short of memory discards the page while its owner reads the code in the
  // app. Coming back is a load like a reload, and has voided the set-up; only the page
  // that was discarded can say so and prove that it was there.
  const resume = () => {
    const proof = sessionStorage.getItem(KEPT);
    keep();
    const csrf = find("#step [name=csrf_token]");
    if (!document.wasDiscarded || !proof || !csrf) return;
    const values = { proof, csrf_token: csrf.value };
    htmx.ajax("POST", "/setup/resume", { target: "#step", swap: "outerHTML", values });
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    setTimeout(() => {
      if (event.defaultPrevented || form.matches("[data-download]")) return;
      leaving = true;
      // One answer for one click: the second half of a double click would meet a spent code.
      if (form.matches("[data-once]")) for (const button of form.querySelectorAll("button")) button.disabled = true;
    }, 0);
  }, true);

  // Local time for every moment; the zone stays in sight.
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      time.title = time.textContent;
      time.textContent = at.toLocaleString(document.documentElement.lang, {
        day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
      });
      time.dataset.local = "";
    }
  };

  // The time left of a pause; a screen reader hears only its end.
  const countDown = () => {
    const shown = find("[data-until]");
    if (!shown) return;
    const end = new Date(shown.dataset.until);
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
      shown.textContent = parts.map((part) => String(part).padStart(2, "0")).join(":");
      if (seconds) return setTimeout(tick, 1000);
      shown.hidden = true;
      live().textContent = shown.dataset.over;
    };
    shown.hidden = false;
    tick();
  };

  // Copy and print are offered only where they work.
  const offer = (root) => {
    const canCopy = Boolean(navigator.clipboard) || document.queryCommandSupported?.("copy");
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !canCopy;
    for (const button of root.querySelectorAll("[data-print]")) button.hidden = false;
  };

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-print]");
    if (!button) return;
    if (button.matches("[data-print]")) return print();
    const source = find(button.dataset.copy);
    const items = [...source.querySelectorAll("code")].map((code) => code.textContent);
    const text = items.length ? items.join("\n") : source.textContent;
    await copy("withoutSpaces" in button.dataset ? text.replaceAll(" ", "") : text);
    live().textContent = live().dataset.copied;
  });

  // After a swap the error or else the heading takes focus, so that the step is announced.
  document.addEventListener("htmx:afterSwap", () => {
    live().textContent = "";
    keep();
    localise(document);
    offer(document);
    (find("#error") || find("#heading"))?.focus({ preventScroll: true });
    scrollTo({ top: 0 });
  });
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, () => { live().textContent = live().dataset.noAnswer; });
  }

  localise(document);
  offer(document);
  countDown();
  resume();
  if (find("#error")) find("#error").focus({ preventScroll: true });
})();
