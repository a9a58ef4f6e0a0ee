// Does to the set-up's tab what only the browser itself can do, as the address of
// another tab asks: …/help#discard.
"use strict";
const acts = {
  discard: (tab) => chrome.tabs.discard(tab.id),
  show: (tab) => chrome.tabs.update(tab.id, { active: true }),
  duplicate: (tab) => chrome.tabs.duplicate(tab.id),
  duplicateShown: (tab) => acts.show(tab).then(() => acts.duplicate(tab)),
  close: (tab) => chrome.tabs.remove(tab.id),
  closeShown: (tab) => acts.show(tab).then(() => acts.close(tab)),
};
// In a session that is being restored the tab may not be there yet, or have no address.
const setUp = async (asking) => {
  for (;;) {
    const tabs = await chrome.tabs.query({});
    const tab = tabs.find(({ id, url }) => id !== asking && /^http:[^#]*\/setup/.test(url));
    if (tab) return tab;
    await new Promise((later) => setTimeout(later, 50));
  }
};
chrome.tabs.onUpdated.addListener(async (id, change, asking) => {
  const name = new URL(asking.url || "about:blank").hash.slice(1);
  if (change.status !== "complete") return;
  if (name === "reopen") await chrome.sessions.restore();
  if (acts[name]) await acts[name](await setUp(id));
});
