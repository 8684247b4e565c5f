/** A stream of HLS as the checks would have recorded it, with one thing or another changed. */
import { writeMediaPlaylist } from '../../../protocols/hls/write.ts';
import { History, type HistoryEvent, type MediaItem, type StepData } from '../../../scenarios/history.ts';
import { audio, video } from './timeline.ts';

const GOP = 25;
const SEGMENTS = 10;
const LAST_FRAMES = 10;
const FRAMES = (SEGMENTS - 1) * GOP + LAST_FRAMES;
const LISTED = 7;
const START = 1000;
const LISTED_AFTER = 100;
export const END = START + FRAMES * 40;

export interface Place {
  readonly node: string;
  /** Number of the segment that came last. */
  readonly sequence: number;
}

export interface Changes {
  nodes?: string;
  /** The text of a playlist. */
  playlist?(text: string, place: Place): string;
  /** Segments that a playlist lists; default the last seven. */
  listed?(sequence: number): number[];
  /** The number of a segment, as the playlist counts. */
  mediaSequence?(first: number): number;
  segment?(data: StepData, place: Place): StepData;
  frames?(items: MediaItem[], place: Place): MediaItem[];
  /** When a segment is listed; undefined: never. */
  listedAt?(t: number, place: Place): number | undefined;
  /** How many frames the player gets; default all from the third segment on. */
  played?: number;
  /** When the last playlist is there once more. Default until shortly before the end. */
  askedUntil?: number;
  late?(data: StepData): StepData;
  oldest?(data: StepData): StepData;
  /** Events besides. */
  more?: readonly HistoryEvent[];
}

export function uriOf(sequence: number): string {
  return `s-${sequence}.ts`;
}

function framesIn(sequence: number): MediaItem[] {
  const count = sequence === SEGMENTS - 1 ? LAST_FRAMES : GOP;
  return video({ from: sequence * GOP, count });
}

function durationOf(sequence: number): number {
  return sequence === SEGMENTS - 1 ? 0.4 : 1;
}

function listed(sequence: number): number[] {
  const first = Math.max(0, sequence - LISTED + 1);
  return Array.from({ length: sequence - first + 1 }, (_, i) => first + i);
}

function textOf(sequences: readonly number[], changes: Changes): string {
  const first = sequences[0]!;
  return writeMediaPlaylist({
    targetDuration: 1,
    mediaSequence: changes.mediaSequence?.(first) ?? first,
    ...(first > 0 ? { discontinuitySequence: 1 } : {}),
    segments: sequences.map((sequence) => ({
      uri: uriOf(sequence),
      duration: durationOf(sequence),
      discontinuity: sequence === 0,
    })),
  });
}

export function sizeOfAudio(n: number): number {
  return 150 + ((n * 37) % 61);
}

const SENT_AUDIO = sentAudio();

/** Size without its header, checksum and time. */
function audioWord(n: number): string {
  const { size, sum, timestamp } = SENT_AUDIO[n]!;
  return `${size - 2}:${sum}:${timestamp}`;
}

/** One frame of audio beside each of video. */
function sentAudio(): MediaItem[] {
  return audio({ count: FRAMES }).map((item, n) => ({ ...item, size: sizeOfAudio(n) + 2 }));
}

export function hlsStory(changes: Changes = {}): History {
  const events: HistoryEvent[] = [];
  const step = (t: number, name: string, data: StepData) =>
    events.push({ t, type: 'step', step: name, data });
  const nodes = changes.nodes ?? 'web cache origin';
  step(900, 'watched', { nodes, direct: nodes.replace('cache', '').trim() });
  step(950, 'published', { publisher: 'publisher' });
  for (const item of [...video({ count: FRAMES }), ...sentAudio()]) {
    events.push({
      t: START + item.timestamp,
      type: 'publisher.sent',
      client: 'publisher',
      stream: 's',
      ...item,
    });
  }
  for (const node of nodes.split(' ')) for (const event of watched(node, changes)) events.push(event);
  for (const item of video({ from: 2 * GOP, count: changes.played ?? FRAMES - 2 * GOP })) {
    events.push({
      t: START + item.timestamp + 3000,
      type: 'player.got',
      client: 'player',
      stream: 's',
      ...item,
    });
  }
  step(END, 'unpublished', { publisher: 'publisher' });
  step(END + 4000, 'watched-to-end', {});
  events.push(...(changes.more ?? []));
  // Stable: what happens at one time stays in the order above.
  events.sort((a, b) => a.t - b.t);
  const history = new History();
  for (const event of events) history.append(event);
  return history;
}

function watched(node: string, changes: Changes): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  let before: number[] = [];
  let last = '';
  for (let sequence = 0; sequence < SEGMENTS; sequence++) {
    const place = { node, sequence };
    const closed = Math.min(END, START + (sequence + 1) * GOP * 40);
    const due = closed + LISTED_AFTER;
    const t = changes.listedAt === undefined ? due : changes.listedAt(due, place);
    if (t === undefined) continue;
    const sequences = changes.listed?.(sequence) ?? listed(sequence);
    const text = changes.playlist?.(textOf(sequences, changes), place) ?? textOf(sequences, changes);
    events.push(...playlistEvents(node, t, text));
    const common = { client: node, sequence, uri: uriOf(sequence) };
    const frames = changes.frames?.(framesIn(sequence), place) ?? framesIn(sequence);
    for (const item of frames) {
      events.push({ t, type: 'player.got', client: node, stream: '', ...item, segment: sequence });
    }
    const data: StepData = {
      ...common,
      duration: durationOf(sequence),
      discontinuity: sequence === 0,
      status: 200,
      broken: null,
      bytes: 188 * 100,
      packets: 100,
      error: null,
      tablesFirst: true,
      keyFirst: true,
      breaks: 0,
      firstCounters: `0:${sequence % 16} 4096:${sequence % 16} 256:${(sequence * 50) % 16}`,
      lastCounters: `0:${sequence % 16} 4096:${sequence % 16} 256:${(sequence * 50 + 49) % 16}`,
      frames: frames.length,
      streams: '1b 0f',
      adts: '2/44100/2',
      clocked: true,
      parameterSets: true,
      shownAt: framesIn(sequence)
        .map(({ timestamp }) => timestamp)
        .join(' '),
      audio: framesIn(sequence)
        .map(({ stamp }) => audioWord(stamp!.frame))
        .join(' '),
    };
    const segment = changes.segment?.(data, place) ?? data;
    events.push({ t, type: 'step', step: 'segment', data: segment });
    for (const gone of before.filter((one) => !sequences.includes(one))) {
      const late: StepData = { client: node, sequence: gone, afterMs: 1, keptMs: 8000, status: 200 };
      events.push({ t, type: 'step', step: 'late', data: changes.late?.(late) ?? late });
    }
    const oldest: StepData = { client: node, sequence: sequences[0]!, status: 200 };
    events.push({ t, type: 'step', step: 'oldest', data: changes.oldest?.(oldest) ?? oldest });
    before = sequences;
    last = text;
  }
  // It is asked for to the end.
  if (last !== '') events.push(...playlistEvents(node, changes.askedUntil ?? END + 3500, last));
  return events;
}

export function playlistEvents(client: string, t: number, text: string, sentAt = t - 5): HistoryEvent[] {
  const url = `http://127.0.0.1/live/s.m3u8`;
  return [
    exchange(client, t, url, { sentAt }),
    { t, type: 'hls.playlist', client, url, sentAt, kind: 'media', text },
  ];
}

export function exchange(
  client: string,
  t: number,
  url: string,
  changes: Partial<Extract<HistoryEvent, { type: 'http.exchange' }>> = {},
): HistoryEvent {
  return {
    t,
    type: 'http.exchange',
    client,
    kind: url.endsWith('.ts') ? 'segment' : 'playlist',
    method: 'GET',
    url,
    sentAt: t - 5,
    headAt: t - 2,
    firstByteAt: t - 1,
    status: 200,
    headers: {},
    bytes: 100,
    error: null,
    ...changes,
  };
}
