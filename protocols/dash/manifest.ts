/** MPEG-DASH manifests with SegmentTemplate and SegmentTimeline (ISO/IEC 23009-1 sections 5.3 and 5.3.9.6). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { child, childrenOf, parseXml, type XmlElement, type XmlLimits } from '../xml.ts';
import { parseDateTime, parseDuration } from './time.ts';

export { expandTimeline, initializationUrl, type TimelineSegment } from './timeline.ts';

export interface TimelineEntry {
  /** In the template's timescale; resolved when the manifest leaves it out. */
  readonly t: number;
  readonly d: number;
  /** Repeats after the first: `r + 1` segments. -1: until the next entry, or without end. */
  readonly r: number;
}

export interface SegmentTemplate {
  /** Units per second. Default 1. */
  readonly timescale: number;
  readonly media: string;
  readonly initialization: string | undefined;
  /** Default 1. */
  readonly startNumber: number;
  /** `@presentationTimeOffset` in timescale units. Default 0. */
  readonly presentationTimeOffset: number;
  /** `@duration` in timescale units, of a template without a timeline. */
  readonly duration: number | undefined;
  /** Empty without a SegmentTimeline. */
  readonly timeline: readonly TimelineEntry[];
}

export interface Representation {
  readonly id: string;
  /** Bits per second. */
  readonly bandwidth: number;
  readonly codecs: string | undefined;
  readonly mimeType: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Prefixes of URLs, outermost first, each relative to the one before it. */
  readonly baseUrls: readonly string[];
  /** Its own, or with what it inherits from its adaptation set and period. */
  readonly segmentTemplate: SegmentTemplate | undefined;
}

export interface AdaptationSet {
  readonly id: string | undefined;
  readonly mimeType: string | undefined;
  /** `@contentType`, or the first part of the MIME type of the set or of its first representation. */
  readonly contentType: string | undefined;
  readonly representations: readonly Representation[];
}

export interface Period {
  readonly id: string | undefined;
  /** From the beginning of the presentation. `undefined` when it follows from the period before it. */
  readonly startMs: number | undefined;
  readonly durationMs: number | undefined;
  readonly adaptationSets: readonly AdaptationSet[];
}

export interface Manifest {
  readonly type: 'static' | 'dynamic';
  readonly profiles: string;
  /** Epoch ms. */
  readonly availabilityStartTime: number | undefined;
  /** Epoch ms. */
  readonly publishTime: number | undefined;
  /** When it may be reloaded. `undefined`: it will not change. */
  readonly minimumUpdatePeriodMs: number | undefined;
  readonly minBufferTimeMs: number | undefined;
  readonly timeShiftBufferDepthMs: number | undefined;
  readonly mediaPresentationDurationMs: number | undefined;
  readonly periods: readonly Period[];
}

/**
 * @throws ProtocolError DashManifest when it is not well-formed, its root is not MPD, a number or time cannot be
 *   read, or a Period, a Representation's id or bandwidth, or availabilityStartTime of a dynamic one is missing;
 *   DashSize above a limit
 */
export function parseManifest(xml: string, limits: Partial<XmlLimits> = {}): Manifest {
  const root = parseXml(xml, limits);
  if (root.name !== 'MPD') throw missing('the root element MPD', root.name);
  const attribute = root.attributes;
  const type = attribute.type ?? 'static';
  if (type !== 'static' && type !== 'dynamic') throw missing('type static or dynamic', type);
  const availabilityStartTime = parseDateTime('availabilityStartTime', attribute.availabilityStartTime);
  if (type === 'dynamic' && availabilityStartTime === undefined) {
    throw missing('availabilityStartTime of a dynamic MPD', 'none');
  }
  const base = baseUrls([], root);
  const periods = childrenOf(root, 'Period').map((element, index) => period(element, index, type, base));
  if (periods.length === 0) throw missing('at least one Period', 'none');
  return {
    type,
    profiles: attribute.profiles ?? '',
    availabilityStartTime,
    publishTime: parseDateTime('publishTime', attribute.publishTime),
    minimumUpdatePeriodMs: parseDuration('minimumUpdatePeriod', attribute.minimumUpdatePeriod),
    minBufferTimeMs: parseDuration('minBufferTime', attribute.minBufferTime),
    timeShiftBufferDepthMs: parseDuration('timeShiftBufferDepth', attribute.timeShiftBufferDepth),
    mediaPresentationDurationMs: parseDuration(
      'mediaPresentationDuration',
      attribute.mediaPresentationDuration,
    ),
    periods,
  };
}

function period(element: XmlElement, index: number, type: string, base: readonly string[]): Period {
  const start = parseDuration('Period start', element.attributes.start);
  const urls = baseUrls(base, element);
  const templates = templatesOf([], element);
  return {
    id: element.attributes.id,
    startMs: start ?? (index === 0 && type === 'static' ? 0 : undefined),
    durationMs: parseDuration('Period duration', element.attributes.duration),
    adaptationSets: childrenOf(element, 'AdaptationSet').map((set) => adaptationSet(set, urls, templates)),
  };
}

function adaptationSet(
  element: XmlElement,
  base: readonly string[],
  inherited: readonly XmlElement[],
): AdaptationSet {
  const urls = baseUrls(base, element);
  const templates = templatesOf(inherited, element);
  const representations = childrenOf(element, 'Representation').map((inner) =>
    representation(inner, element, urls, templates),
  );
  const { id, mimeType, contentType } = element.attributes;
  const typed = mimeType ?? representations[0]?.mimeType;
  return { id, mimeType: typed, contentType: contentType ?? typed?.split('/')[0], representations };
}

function representation(
  element: XmlElement,
  set: XmlElement,
  base: readonly string[],
  inherited: readonly XmlElement[],
): Representation {
  const { id } = element.attributes;
  if (id === undefined) throw missing('id of a Representation', 'none');
  const either = (name: string) => element.attributes[name] ?? set.attributes[name];
  const bandwidth = integer('bandwidth', element.attributes.bandwidth);
  if (bandwidth === undefined) throw missing(`bandwidth of Representation ${id}`, 'none');
  return {
    id,
    bandwidth,
    codecs: either('codecs'),
    mimeType: either('mimeType'),
    width: integer('width', either('width')),
    height: integer('height', either('height')),
    baseUrls: baseUrls(base, element),
    segmentTemplate: segmentTemplate(templatesOf(inherited, element)),
  };
}

function baseUrls(outer: readonly string[], element: XmlElement): readonly string[] {
  const url = child(element, 'BaseURL')?.text;
  return url ? [...outer, url] : outer;
}

function templatesOf(outer: readonly XmlElement[], element: XmlElement): readonly XmlElement[] {
  const template = child(element, 'SegmentTemplate');
  return template ? [...outer, template] : outer;
}

/** The innermost template, with what it lacks taken from those around it (section 5.3.9.1). */
function segmentTemplate(templates: readonly XmlElement[]): SegmentTemplate | undefined {
  if (templates.length === 0) return undefined;
  const inner = (name: string) =>
    templates.findLast((one) => one.attributes[name] !== undefined)?.attributes[name];
  const number = (name: string) => integer(name, inner(name));
  const media = inner('media');
  if (media === undefined) throw missing('media of a SegmentTemplate', 'none');
  const timescale = number('timescale') ?? 1;
  if (timescale === 0) throw missing('a timescale above 0', '0');
  const lines = templates.map((one) => child(one, 'SegmentTimeline')).findLast((one) => one !== undefined);
  return {
    timescale,
    media,
    initialization: inner('initialization'),
    startNumber: number('startNumber') ?? 1,
    presentationTimeOffset: number('presentationTimeOffset') ?? 0,
    duration: number('duration'),
    timeline: lines ? timeline(lines) : [],
  };
}

/** A timeline is read once, however many representations inherit it. */
const timelines = new WeakMap<XmlElement, readonly TimelineEntry[]>();

function timeline(element: XmlElement): readonly TimelineEntry[] {
  const known = timelines.get(element);
  if (known) return known;
  const entries = readTimeline(element);
  timelines.set(element, entries);
  return entries;
}

function readTimeline(element: XmlElement): TimelineEntry[] {
  let next: number | undefined = 0;
  return childrenOf(element, 'S').map(({ attributes }) => {
    const t: number | undefined = integer('S t', attributes.t) ?? next;
    const d = integer('S d', attributes.d);
    if (t === undefined) throw missing('t of an S after one with r="-1"', 'none');
    if (!d) throw missing('d of an S above 0', attributes.d ?? 'none');
    const r = attributes.r === '-1' ? -1 : (integer('S r', attributes.r) ?? 0);
    next = r < 0 ? undefined : t + d * (r + 1);
    if (next !== undefined && !Number.isSafeInteger(next)) throw missing('times below 2^53', String(next));
    return { t, d, r };
  });
}

function integer(where: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw missing(`an unsigned integer in ${where}`, JSON.stringify(text));
  return value;
}

function missing(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.DashManifest, expected, actual);
}
