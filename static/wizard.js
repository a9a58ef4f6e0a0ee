// What the pages do beyond links and forms. Nothing here is needed: without
// script every page works with the same guarantees.
(() => {
  "use strict";
  const find = (selector) => document.querySelector(selector);
  const live = () => find("#live");
  const KEPT = "onward-resume"; // proves this very tab; worth nothing without the sign-in
  const PAGE = [...crypto.getRandomValues(new Uint32Array(2))].map((part) => part.toString(16)).join("");
  const isHidden = () => document.visibilityState === "hidden";
  let leaving = false; // a native submit is under way: it leaves the page in the right way
  let hiding = false; // it went hidden in this very task
  let gone = false;
  let words = 0;

  const beacon = (path, fields) => {
    const csrf_token = find("#step [name=csrf_token]").value;
    navigator.sendBeacon(path, new URLSearchParams({ ...fields, csrf_token }));
  };
  const ticket = () => find("#form [name=ticket]")?.value;

  // A phone discards only pages that nobody sees: the server brings back the set-up of a
  // page that has said "hidden" and nothing since. Beacons may overtake each other.
  const say = (word) => {
    if (gone || !ticket() || !find("#step").dataset.proof) return;
    beacon("/setup/visibility", { ticket: ticket(), page: PAGE, number: ++words, word });
  };
  document.addEventListener("visibilitychange", () => {
    say(isHidden() ? "hidden" : "shown");
    hiding = isHidden();
    setTimeout(() => { hiding = false; });
  });

  // A set-up page that is left voids its set-up. The beacon names its own ticket:
  // on a reload the new page is asked for before the old page's beacon arrives.
  addEventListener("pagehide", () => {
    // A page that unloads goes hidden too, before this or after it: that is no hiding.
    const unseen = isHidden() && !hiding;
    // A page hidden before may be a tab that a phone discarded: the set-up is not void yet.
    if (unseen) say("gone");
    gone = true;
    if (!ticket() || leaving || unseen) return;
    sessionStorage.removeItem(KEPT);
    beacon("/setup/leave", { ticket: ticket() });
  });

  // The belt to the braces of status 202: a page out of the back/forward cache is void.
  addEventListener("pageshow", (event) => {
    leaving = gone = false;
    if (event.persisted && find("#form [name=ticket]")) location.replace("/setup");
    for (const button of document.querySelectorAll("[data-once] button[disabled]")) button.disabled = false;
  });

  let holding = false;
  const keep = () => {
    const proof = find("#step")?.dataset.proof;
    if (!proof) return sessionStorage.removeItem(KEPT);
    sessionStorage.setItem(KEPT, `${PAGE} ${proof}`);
    // Held while this page lives: a copy of the tab learns by it that it is one.
    if (!holding) navigator.locks?.request(PAGE, () => new Promise(() => {}));
    holding = true;
    if (isHidden()) say("hidden"); // the answer came while nobody looked
  };

  // Whether the page whose proof a tab holds still lives, or was closed and opened again.
  const isCopy = async (page) => {
    const type = performance.getEntriesByType("navigation")[0]?.type;
    if (document.wasDiscarded === false && type === "back_forward") return true;
    try {
      await navigator.locks.request(page, { signal: AbortSignal.timeout(1000) }, () => {});
      return false;
    } catch {
      return true; // held, or a browser that can't tell
    }
  };

  // A phone short of memory discards the page while its owner reads the code in the
  // app. Coming back is a load like a reload, and has voided the set-up; whether the
  // page had gone hidden, the server knows.
  const resume = async () => {
    const [page, proof] = (sessionStorage.getItem(KEPT) ?? "").split(" ");
    keep();
    const csrf = find("#step [name=csrf_token]");
    // A form with a ticket is a set-up that lives: a step that was sent before htmx had
    // taken hold of its form comes as a page of its own.
    if (!proof || !csrf || ticket()) return;
    if (await isCopy(page)) return beacon("/setup/leave", { proof });
    if (!csrf.isConnected) return;
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
  document.addEventListener("htmx:afterSwap", (event) => {
    live().textContent = "";
    // "We can't answer right now" stands above a form that stays; the next answer ends it.
    if (event.detail.target?.id !== "notice") find("#notice")?.replaceChildren();
    keep();
    localise(document);
    offer(document);
    (find("#not-now") || find("#error") || find("#heading"))?.focus({ preventScroll: true });
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
