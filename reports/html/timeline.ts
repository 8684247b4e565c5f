/** What a fault did to whom, and when: a chart that needs no script, and its figures as a table. */
import { formatNumber, plural } from '../format.ts';
import type { FailoverClient, FailoverTimeline } from '../results.ts';
import { type Html, html } from './html.ts';

/** Of the drawing, in its own units. */
const WIDTH = 1000;
const LABELS = 190;
const RIGHT = 16;
const TOP = 66;
const ROW = 24;
const BAR = 12;
const BOTTOM = 34;
const CONNECTIONS = 44;
/** Shown before the fault. */
const BEFORE_MS = 500;
/** A letter is about so wide: what stands at two marks must not run together. */
const LETTER = 6.4;
const MARK_ROWS = 3;
const MARK_SPACE = 10;
const TICKS = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000];
const MOST_TICKS = 12;

const PARTS: Readonly<Record<FailoverClient['part'], string>> = {
  untouched: 'notices nothing',
  waits: 'stays and waits',
  returns: 'comes back',
  publishes: 'encoder',
};

export function renderFailover(timeline: FailoverTimeline): Html {
  return html`<figure class="failover"><figcaption>${timeline.fault} at ${timeline.at}: times without a new frame, client by client</figcaption>
<div class="scroll" tabindex="0" role="region" aria-label="Timeline of the fault">${chart(timeline)}</div></figure>
${table(timeline)}`;
}

function chart(timeline: FailoverTimeline): Html {
  const { clients, connections } = timeline;
  const until = lastMs(timeline);
  const x = (ms: number) =>
    round(LABELS + ((ms + BEFORE_MS) / (until + BEFORE_MS)) * (WIDTH - LABELS - RIGHT));
  const rows = clients.length * ROW;
  const extra = connections === undefined ? 0 : CONNECTIONS;
  const height = TOP + rows + extra + BOTTOM;
  const foot = TOP + rows + extra;
  return html`<svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${`Gaps of ${plural(clients.length, 'client')} after ${timeline.fault}. The figures are in the table below.`}">
<rect class="outage" x="${x(0)}" y="${TOP}" width="${round(x(Math.min(timeline.cured ?? until, until)) - x(0))}" height="${foot - TOP}"/>
${ticksUntil(until).map(
  (ms) =>
    html`<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="${TOP}" y2="${foot}"/><text class="tick" x="${x(ms)}" y="${foot + 18}">${ms / 1000} s</text>`,
)}
${clients.map((client, i) => row(client, TOP + i * ROW, timeline, x, until))}
${connections !== undefined && bars(connections, TOP + rows, x)}
${marksOf(timeline, x).map(
  ({ at, what, kind, line, left }) =>
    html`<line class="mark ${kind}" x1="${at}" x2="${at}" y1="${16 + line * 16}" y2="${foot}"/><text class="mark ${kind}${left && ' left'}" x="${left ? at - 4 : at + 4}" y="${16 + line * 16}">${what}</text>`,
)}
</svg>`;
}

function row(
  client: FailoverClient,
  top: number,
  { cured }: FailoverTimeline,
  x: (ms: number) => number,
  until: number,
): Html {
  const from = Math.max(-BEFORE_MS, client.lastGood ?? 0);
  const to = Math.min(until, client.firstGood ?? until);
  const latest = latestOf(client, cured);
  const kind = client.firstGood === null ? 'open' : latest !== null && to > latest ? 'late' : client.part;
  const middle = top + ROW / 2;
  return html`<text class="client" x="${LABELS - 10}" y="${middle + 4}">${client.client}</text>
<rect class="gap ${kind}" x="${x(from)}" y="${middle - BAR / 2}" width="${Math.max(2, round(x(to) - x(from)))}" height="${BAR}" rx="3"><title>${`${client.client}: ${client.gap} ms`}</title></rect>
${
  latest !== null &&
  latest <= until &&
  html`<line class="bound" x1="${x(latest)}" x2="${x(latest)}" y1="${top + 3}" y2="${top + ROW - 3}"/>`
}`;
}

/** When its first frame has to be there; null when that has no place on the chart. */
function latestOf({ since, bound, lastGood }: FailoverClient, cured: number | null): number | null {
  if (since === 'fault') return (lastGood ?? 0) + bound;
  return cured === null ? null : cured + bound;
}

function bars(
  connections: NonNullable<FailoverTimeline['connections']>,
  top: number,
  x: (ms: number) => number,
): Html {
  const most = Math.max(1, ...connections.map(({ opened, refused }) => opened + refused));
  const middle = top + CONNECTIONS / 2 + 6;
  return html`<text class="client" x="${LABELS - 10}" y="${middle}">connections tried</text>
${connections
  .filter(({ opened, refused }) => opened + refused > 0)
  .map(({ second, opened, refused }) => {
    const height = round(((opened + refused) / most) * (CONNECTIONS - 22));
    const left = x(second * 1000);
    const width = Math.max(2, round(x((second + 1) * 1000) - left - 2));
    return html`<rect class="connections" x="${left}" y="${top + CONNECTIONS - 4 - height}" width="${width}" height="${height}"><title>${`second ${second}: ${opened} opened, ${refused} refused`}</title></rect>
<text class="tick" x="${left + width / 2}" y="${top + CONNECTIONS - 8 - height}">${formatNumber(opened + refused)}</text>`;
  })}`;
}

interface Mark {
  readonly at: number;
  readonly what: string;
  readonly kind: 'fault' | 'cure' | 'other';
  readonly line: number;
  /** Left of its line: there is no room on the right. */
  readonly left: boolean;
}

/** Fault and cure first; each in the first line where it runs into nothing; where there is none, without its words. */
function marksOf({ fault, cured, marks }: FailoverTimeline, x: (ms: number) => number): Mark[] {
  const all: { ms: number; what: string; kind: Mark['kind'] }[] = [
    { ms: 0, what: fault, kind: 'fault' },
    ...(cured === null ? [] : [{ ms: cured, what: 'cured', kind: 'cure' as const }]),
    ...marks.map(({ ms, what }) => ({ ms, what, kind: 'other' as const })),
  ];
  const lines = Array.from({ length: MARK_ROWS }, (): [number, number][] => []);
  return all.map(({ ms, what, kind }) => {
    const at = x(ms);
    const width = what.length * LETTER + MARK_SPACE;
    const left = at + width > WIDTH;
    const [from, to] = left ? [at - width, at] : [at, at + width];
    const line = lines.findIndex((taken) => taken.every((other) => to < other[0] || from > other[1]));
    lines[line]?.push([from, to]);
    return line < 0 ? { at, what: '', kind, line: MARK_ROWS, left } : { at, what, kind, line, left };
  });
}

/** The end of the last gap, or of the last bound that is not far beyond it. */
function lastMs({ clients, cured, marks }: FailoverTimeline): number {
  const seen = Math.max(
    1000,
    cured ?? 0,
    ...marks.map(({ ms }) => ms),
    ...clients.map(({ firstGood, gap }) => firstGood ?? gap),
  );
  const bounds = clients.map((client) => latestOf(client, cured) ?? 0).filter((ms) => ms <= 2 * seen);
  return Math.max(seen, ...bounds) * 1.04;
}

function ticksUntil(until: number): number[] {
  const step = TICKS.find((ms) => until / ms <= MOST_TICKS) ?? TICKS.at(-1)!;
  return Array.from({ length: Math.floor(until / step) + 1 }, (_, i) => i * step);
}

function table({ clients, gap, storm, cured }: FailoverTimeline): Html {
  const ms = (value: number | null) => (value === null ? 'never' : formatNumber(value));
  const storms =
    storm === undefined
      ? ''
      : ` Connections that one node tried within a second: at most ${storm.worst}${storm.node === '' ? '' : ` (${storm.node})`}, ${storm.bound} allowed.`;
  return html`<p class="note-line">${`Gaps of ${plural(gap.count, 'client')}, ms: p50 ${ms(gap.p50)}, p90 ${ms(gap.p90)}, p99 ${ms(gap.p99)}, max ${ms(gap.max)}.${cured === null ? '' : ` Cured after ${formatNumber(cured)} ms.`}${storms}`}</p>
<details class="data"><summary>The clients as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Clients of the fault"><table class="plain">
<thead><tr><th scope="col">Client</th><th scope="col">Part</th>${['Last frame, ms', 'First frame, ms', 'Gap, ms', 'Allowed, ms', 'Lost', 'Not sent', 'Doubled', 'Connections'].map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${clients.map(
    ({ client, part, lastGood, firstGood, gap: own, bound, since, lost, unsent, doubled, sessions }) =>
      html`<tr><th scope="row">${client}</th><td>${PARTS[part]}</td>${[
        ms(lastGood),
        ms(firstGood),
        ms(own),
        `${formatNumber(bound)}${since === 'cure' ? ' after the cure' : ''}`,
        ...[lost, unsent, doubled, sessions].map((count) => formatNumber(count)),
      ].map((value) => html`<td class="number">${value}</td>`)}</tr>`,
  )}</tbody></table></div></details>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
