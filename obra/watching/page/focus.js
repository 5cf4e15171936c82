// Keys arrive without a click: the terminal gets the focus once its process has painted something.
new MutationObserver((_, watcher) => {
  const keys = document.querySelector("#terminal textarea");
  if (keys && document.body.classList.contains("-first-byte")) {
    keys.focus();
    watcher.disconnect();
  }
}).observe(document, { childList: true, subtree: true, attributeFilter: ["class"] });
