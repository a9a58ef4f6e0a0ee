// Does to the set-up's tab what only the browser itself can do, as the address of
// another tab asks: …/help#discard.
"use strict";
const acts = {
  discard: (tab) => chrome.tabs.discard(tab.id),
  show: (tab) => chrome.tabs.update(tab.id, { active: true }),
  duplicate: (tab) => chrome.tabs.duplicate(tab.id),
  close: (tab) => chrome.tabs.remove(tab.id),
  reopen: () => chrome.sessions.restore(),
};
chrome.tabs.onUpdated.addListener(async (id, change, asking) => {
  const act = acts[new URL(asking.url || "about:blank").hash.slice(1)];
  if (!act || change.status !== "complete") return;
  const tabs = await chrome.tabs.query({});
  await act(tabs.find((tab) => tab.id !== id && new URL(tab.url).pathname.startsWith("/setup")));
});
