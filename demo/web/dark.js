// Before anything is drawn: the colours the visitor's system asks for.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
  dark.onchange = follow;
  follow();
})();
