// Runs before the first paint, so that no page flashes in the wrong theme. A classic script: modules come too late.
(() => {
  const root = document.documentElement;
  root.dataset.js = "";
  try {
    const theme = localStorage.getItem("drover.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (localStorage.getItem("drover.keys") === "off") root.dataset.singleKeys = "off";
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
