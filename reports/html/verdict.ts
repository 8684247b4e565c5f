/** A verdict is a word and a shape; its colour only repeats it. */
import type { Verdict } from '../results.ts';
import { VERDICTS } from '../results.ts';
import { Html, html } from './html.ts';

/** Paths in a box of 16 by 16. */
const SHAPE: Readonly<Record<Verdict | 'running', string>> = {
  pass: '<path d="M3 8.5l3.2 3.2L13 4.8"/>',
  fail: '<path d="M4 4l8 8M12 4l-8 8"/>',
  inconclusive: '<path d="M5.4 5.6a2.6 2.6 0 1 1 3.9 2.2c-.9.5-1.3 1-1.3 2M8 12.6v.2"/>',
  unsupported: '<path d="M3.5 8h9"/>',
  error: '<path d="M8 2.8v6.4M8 12.6v.2"/>',
  running: '<path d="M3.5 8v.1M8 8v.1M12.5 8v.1"/>',
};

/** The shapes, once per page. */
export const SPRITE = new Html(
  `<svg width="0" height="0" aria-hidden="true" class="sprite">${([...VERDICTS, 'running'] as const)
    .map((verdict) => `<symbol id="v-${verdict}" viewBox="0 0 16 16">${SHAPE[verdict]}</symbol>`)
    .join('')}</svg>`,
);

export function verdictIcon(verdict: Verdict | 'running'): Html {
  return html`<svg class="icon" aria-hidden="true"><use href="#v-${verdict}"/></svg>`;
}

/** `word` where the verdict has another name here, such as `killed`. */
export function verdictBadge(verdict: Verdict, word: string = verdict): Html {
  return html`<span class="badge ${verdict}">${verdictIcon(verdict)}${word}</span>`;
}
