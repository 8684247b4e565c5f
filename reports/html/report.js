// Opens the finding that a link of the matrix leads to.
'use strict';
(() => {
  const openTarget = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView({ block: 'center' });
      target.querySelector('summary').focus({ preventScroll: true });
    }
  };
  addEventListener('hashchange', openTarget);
  openTarget();
})();
