// The page's theme: the system's until the button is pressed. Others hear of a change by the event
// `clocklab-theme` on the document.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function tell() {
    button.textContent = isDark() ? "light" : "dark";
    document.dispatchEvent(new CustomEvent("clocklab-theme"));
  }

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);

  // Paper is white.
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    tell();
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    tell();
  });
  button.textContent = isDark() ? "light" : "dark";
})();
