/** The segments of a representation and their URLs (ISO/IEC 23009-1 sections 5.3.9.4.4 and 5.3.9.6). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import type { Representation, SegmentTemplate } from './manifest.ts';

/** Longest URL that a template may make, in characters. */
const MAX_URL = 2048;

export interface TimelineSegment {
  /** In timescale units, as $Time$. */
  readonly time: number;
  /** In timescale units. */
  readonly duration: number;
  /** As $Number$. */
  readonly number: number;
  /** As the template makes it: relative to the base URLs, or to the manifest. */
  readonly url: string;
}

/**
 * Every segment that the timeline lists. Of `r="-1"` the segments up to the next entry; where none follows, one,
 * for how many there are is then a matter of the clock. Empty without a timeline.
 * @param maxSegments default 20000
 * @throws ProtocolError DashSize above the limit, DashManifest for an identifier that templates do not have
 */
export function expandTimeline(representation: Representation, maxSegments = 20_000): TimelineSegment[] {
  const template = representation.segmentTemplate;
  const segments: TimelineSegment[] = [];
  if (!template) return segments;
  const { timeline, startNumber, media } = template;
  for (const [index, { t, d, r }] of timeline.entries()) {
    const next = timeline[index + 1]?.t;
    const open = next === undefined ? 1 : Math.max(1, Math.ceil((next - t) / d));
    const count = r < 0 ? open : r + 1;
    if (segments.length + count > maxSegments) {
      const actual = String(segments.length + count);
      throw new ProtocolError(ProtocolErrorCode.DashSize, `at most ${maxSegments} segments`, actual);
    }
    for (let i = 0; i < count; i++) {
      const time = t + i * d;
      const number = startNumber + segments.length;
      segments.push({
        time,
        duration: d,
        number,
        url: fillTemplate(media, representation, { time, number }),
      });
    }
  }
  return segments;
}

/** URL of the initialization segment. `undefined` when the template names none. */
export function initializationUrl(representation: Representation): string | undefined {
  const pattern: SegmentTemplate['initialization'] = representation.segmentTemplate?.initialization;
  return pattern === undefined ? undefined : fillTemplate(pattern, representation, {});
}

/**
 * `$RepresentationID$`, `$Bandwidth$`, `$Number$`, `$Time$`, each but the first with an optional `%0<width>d`, and
 * `$$` for a dollar sign.
 * @throws ProtocolError DashManifest for any other identifier, or one that has no value here; DashSize for a URL
 *   above 2048 characters
 */
export function fillTemplate(
  pattern: string,
  representation: Pick<Representation, 'id' | 'bandwidth'>,
  values: { readonly time?: number; readonly number?: number },
): string {
  checkLength(pattern);
  checkLength(representation.id);
  const url = pattern.replace(/\$([^$]*)(\$?)/g, (all: string, inner: string, close: string) => {
    if (all === '$$') return '$';
    const [, name, width] = /^([A-Za-z]+)(?:%0(\d{1,2})d)?$/.exec(inner) ?? [];
    if (name === 'RepresentationID' && close && width === undefined) return representation.id;
    const numbers: Readonly<Record<string, number | undefined>> = {
      Bandwidth: representation.bandwidth,
      Number: values.number,
      Time: values.time,
    };
    const value = name !== undefined && close && Object.hasOwn(numbers, name) ? numbers[name] : undefined;
    if (value === undefined) {
      throw new ProtocolError(
        ProtocolErrorCode.DashManifest,
        'an identifier of a segment template',
        JSON.stringify(all.slice(0, 80)),
      );
    }
    return String(value).padStart(Number(width ?? 0), '0');
  });
  checkLength(url);
  return url;
}

function checkLength(text: string): void {
  if (text.length <= MAX_URL) return;
  throw new ProtocolError(
    ProtocolErrorCode.DashSize,
    `a URL of at most ${MAX_URL} characters`,
    `${text.length}`,
  );
}
