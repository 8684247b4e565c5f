// Keeps the page of a run that goes on up to date, and what the reader has opened open.
'use strict';
(() => {
  const status = document.getElementById('live');
  const events = new EventSource('events');

  /** Details have a name by what stands in them, for those that have no id. */
  const nameOf = (details) =>
    details.id || `${details.closest('[id]')?.id} ${details.querySelector('summary').textContent}`;
  const each = (root, selector, name) =>
    new Map([...root.querySelectorAll(selector)].map((element) => [name(element), element]));
  const labelOf = (region) => region.getAttribute('aria-label') ?? region.getAttribute('aria-labelledby');

  const show = (markup) => {
    const page = new DOMParser().parseFromString(markup, 'text/html');
    const opened = each(document, 'details', nameOf);
    for (const [name, details] of each(page, 'details', nameOf)) {
      const before = opened.get(name);
      if (before) details.open = before.open;
    }
    const scrolled = [...each(document, '.scroll', labelOf)].map(([name, region]) => [name, region.scrollLeft]);
    const focused = document.activeElement;
    const within = focused?.closest('main');
    const place = within && [...within.querySelectorAll(focused.tagName)].indexOf(focused);
    for (const name of ['header', 'main'])
      document.querySelector(name).replaceWith(document.adoptNode(page.querySelector(name)));
    const regions = each(document, '.scroll', labelOf);
    for (const [name, left] of scrolled) if (left > 0 && regions.has(name)) regions.get(name).scrollLeft = left;
    if (within) document.querySelectorAll(`main ${focused.tagName}`)[place]?.focus({ preventScroll: true });
    document.dispatchEvent(new Event('liveproof:changed'));
  };

  let busy = false;
  let again = false;
  let over = false;
  const refresh = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch('body');
      const markup = await answer.text();
      if (!over && answer.ok) show(markup);
      if (!over) status.textContent = 'Live: the figures are those of this moment.';
    } catch {
      // The events say whether the run is over or out of reach.
    }
    busy = false;
    if (again && !over) {
      again = false;
      refresh();
    }
  };

  events.addEventListener('change', refresh);
  events.addEventListener('open', refresh);
  events.addEventListener('over', ({ data }) => {
    over = true;
    events.close();
    show(JSON.parse(data));
    document.title = document.querySelector('h1').textContent + document.title.slice(document.title.indexOf(':'));
    status.textContent = 'The run is over: these are its results.';
  });
  events.addEventListener('error', () => {
    if (!over) status.textContent = 'Out of reach: the run has ended, or hangs. The figures are its last ones.';
  });
})();
