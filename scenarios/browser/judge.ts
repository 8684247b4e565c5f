/** Does a browser play it? Pure: from a record and its figures to one judgement per requirement. */
import type { Evidence } from '../../reports/results.ts';
import type { Judgement } from '../check.ts';
import { failed, inconclusive, judged } from '../judging.ts';
import {
  BESIDE_MS,
  CLOCK_MS,
  HELD_UP_MS,
  LOOP_LAG_MS,
  latencyBound,
  STARTS_WITHIN_MS,
  STILL_MS,
} from './bounds.ts';
import type { BrowserFigures } from './figures.ts';
import type { BrowserRecord } from './record.ts';

/** What is asked of every protocol; the part of a finding's id behind the protocol. */
export const REQUIREMENTS = ['cors', 'first-picture', 'stalls', 'frames', 'latency'] as const;
export type Requirement = (typeof REQUIREMENTS)[number];

type Judge = (record: BrowserRecord, figures: BrowserFigures) => Judgement;

const JUDGES: Readonly<Record<Requirement, Judge>> = {
  cors: judgeCors,
  'first-picture': judgeFirstPicture,
  stalls: judgeStalls,
  frames: judgeFrames,
  latency: judgeLatency,
};

export function judgeBrowser(record: BrowserRecord, figures: BrowserFigures): Map<Requirement, Judgement> {
  const ours = ownTroubles(record);
  return new Map(
    REQUIREMENTS.map((requirement) => {
      const judgement = JUDGES[requirement](record, figures);
      // Whether a page may read an answer is no question of time.
      return [requirement, requirement === 'cors' ? judgement : unlessOurs(judgement, ours)];
    }),
  );
}

/** A browser, or a process of ours, that was too slow is no failure of a cluster. */
function unlessOurs(judgement: Judgement, ours: readonly string[]): Judgement {
  if (judgement.verdict !== 'fail' || ours.length === 0) return judgement;
  return { ...judgement, verdict: 'inconclusive', actual: `${judgement.actual}, but ${ours.join(', ')}` };
}

function ownTroubles({ page, loopLagMs, clockAhead }: BrowserRecord): string[] {
  const held = Math.max(0, ...page.heldUp.map(({ from, to }) => to - from));
  const apart = Math.max(clockAhead.from, -clockAhead.to);
  return [
    ...(page.hidden ? ['the page was in the background'] : []),
    ...(held > HELD_UP_MS ? [`the page was not drawn for ${ms(held)}`] : []),
    ...(loopLagMs > LOOP_LAG_MS ? [`publisher and driver were held up for ${ms(loopLagMs)}`] : []),
    ...(apart > CLOCK_MS ? [`the clocks are at least ${ms(apart)} apart`] : []),
  ];
}

/** The words of Chromium's console for an answer that it keeps from a page. */
const REFUSED = /blocked by CORS policy/;

function judgeCors({ page, url, console }: BrowserRecord, { shown }: BrowserFigures): Judgement {
  const expected = `a page of ${page.origin} may play ${url}`;
  const refusals = console.filter((line) => REFUSED.test(line));
  if (refusals.length > 0) return failed(expected, refusals[0]!, complaints({ page, console }));
  if (new URL(url).host === new URL(page.origin).host)
    return inconclusive(expected, 'they are of one origin');
  return shown > 0 ? judged(true, expected, 'it does') : inconclusive(expected, 'nothing was shown');
}

function judgeFirstPicture(record: BrowserRecord, { firstPictureMs }: BrowserFigures): Judgement {
  const bound = STARTS_WITHIN_MS[record.protocol];
  const expected = `a first picture within ${bound} ms`;
  if (firstPictureMs === null) return failed(expected, 'none', complaints(record));
  return judged(firstPictureMs <= bound, expected, `after ${ms(firstPictureMs)}`, complaints(record));
}

const NO_PICTURE = 'no picture came';
/** Nothing follows it, neither in time nor late. */
const ONE_PICTURE = 'the page looked at one picture only';

/** Pictures whose clock could be read. */
function looked({ page }: BrowserRecord): number {
  return page.pictures.filter(({ number }) => number !== null).length;
}

function judgeStalls(record: BrowserRecord, { shown, stalls, stallRatio }: BrowserFigures): Judgement {
  const expected = `the picture never stands still for more than ${STILL_MS} ms`;
  if (shown === 0) return inconclusive(expected, NO_PICTURE);
  if (stalls.length === 0 && looked(record) < 2) return inconclusive(expected, ONE_PICTURE);
  const started = record.page.startedAt;
  const told = stalls.map(({ from, to }) => `${ms(to - from)} from ${ms(from - started)} on`).join(', ');
  const actual =
    stalls.length === 0
      ? `it moves, ${shown} pictures`
      : `${stalls.length} times, ${(stallRatio * 100).toFixed(1)} % of the time: ${told}`;
  return judged(stalls.length === 0, expected, actual, complaints(record));
}

function judgeFrames(record: BrowserRecord, figures: BrowserFigures): Judgement {
  const { shown, missing, repeated, unreadable, dropped } = figures;
  const expected = 'every frame once, in order, undamaged as far as its clock tells';
  if (shown === 0) return inconclusive(expected, NO_PICTURE);
  const wrong = [
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(repeated > 0 ? [`${repeated} shown again or late`] : []),
    ...(unreadable > 0 ? [`${unreadable} whose clock cannot be read`] : []),
  ];
  if (wrong.length === 0 && looked(record) < 2) return inconclusive(expected, ONE_PICTURE);
  const actual = `of ${shown} pictures ${wrong.join(', ') || 'none missing'}; ${dropped} came and were not shown`;
  return judged(wrong.length === 0, expected, actual, complaints(record));
}

function judgeLatency(record: BrowserRecord, figures: BrowserFigures): Judgement {
  const { glass, driver, leastGlassMs, aheadOfDriverMs } = figures;
  if (glass.p50 === null || leastGlassMs === null)
    return inconclusive(
      'a latency from publisher to screen',
      'no picture of a frame that was published after the player came',
    );
  if (driver.p50 === null || aheadOfDriverMs === null)
    return inconclusive(
      'a latency to compare with',
      `the driver has none: ${record.driver.closed ?? 'no frame'}`,
    );
  const bound = latencyBound(record.protocol, driver.p50, record.targetMs);
  const expected = `a median of at most ${ms(bound)} from publisher to screen; nothing before it was sent, nor ${BESIDE_MS} ms before the driver has it`;
  const wrong = [
    ...(glass.p50 > bound ? [`more by ${ms(glass.p50 - bound)}`] : []),
    ...(leastGlassMs < -CLOCK_MS ? [`a frame on the screen ${ms(-leastGlassMs)} before it was sent`] : []),
    ...(aheadOfDriverMs > BESIDE_MS
      ? [`a frame on the screen ${ms(aheadOfDriverMs)} before the driver had it`]
      : []),
  ];
  const told = `glass to glass p50 ${ms(glass.p50)}, p99 ${ms(glass.p99!)}; driver p50 ${ms(driver.p50)}, p99 ${ms(driver.p99!)}`;
  return judged(wrong.length === 0, expected, [told, ...wrong].join('; '), complaints(record));
}

/** So many lines of each kind. */
const TOLD = 5;

function complaints({ page, console }: Pick<BrowserRecord, 'page' | 'console'>): Evidence[] {
  return [
    ...page.complaints.slice(0, TOLD).map(({ code, detail }) => ({ label: code, detail })),
    ...console.slice(0, TOLD).map((detail) => ({ label: 'console', detail })),
  ];
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
