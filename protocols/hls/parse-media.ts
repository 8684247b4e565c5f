import { parseAttributes } from './attributes.ts';
import { type PlaylistLimits, type PlaylistLine, tooLarge } from './lines.ts';
import type {
  MediaPlaylist,
  MediaSegment,
  PartialSegment,
  PreloadHint,
  SegmentKey,
  UnknownTag,
} from './playlist.ts';
import {
  badValue,
  dateTime,
  decimal,
  integer,
  optional,
  RangeResolver,
  type WrittenRange,
  writtenRange,
} from './values.ts';

/** RFC 8216 sections 4.3.2 and 4.3.3, and the low-latency tags of the bis draft. */
export function parseMedia(lines: readonly PlaylistLine[], limits: PlaylistLimits): MediaPlaylist {
  const parser = new MediaParser(limits);
  for (const line of lines) parser.line(line);
  return parser.end();
}

type Segment = { -readonly [K in keyof MediaSegment]: MediaSegment[K] };

/** What tags say of the segment whose URI is still to come. */
interface Pending {
  duration: number | undefined;
  title: string;
  discontinuity: boolean;
  range: WrittenRange | undefined;
  programDateTime: number | undefined;
  gap: boolean;
}

const nothing = (): Pending => ({
  duration: undefined,
  title: '',
  discontinuity: false,
  range: undefined,
  programDateTime: undefined,
  gap: false,
});

class MediaParser {
  readonly #limits: PlaylistLimits;
  #version = 1;
  #targetDuration: number | undefined;
  #mediaSequence = 0;
  #discontinuitySequence = 0;
  #discontinuities = 0;
  #skipped = 0;
  #playlistType: 'EVENT' | 'VOD' | undefined;
  #endList = false;
  #independentSegments = false;
  #partTarget: number | undefined;
  #serverControl: Record<string, string> | undefined;
  #key: SegmentKey | undefined;
  #map: MediaSegment['map'];
  #pending = nothing();
  #parts: PartialSegment[] = [];
  #partCount = 0;
  readonly #segments: Segment[] = [];
  readonly #preloadHints: PreloadHint[] = [];
  readonly #unknownTags: UnknownTag[] = [];
  readonly #segmentRanges = new RangeResolver();
  readonly #partRanges = new RangeResolver();

  constructor(limits: PlaylistLimits) {
    this.#limits = limits;
  }

  line(line: PlaylistLine): void {
    const { tag, value } = line;
    switch (tag) {
      case '':
        this.#uri(value);
        break;
      case '#EXTM3U':
        break;
      case '#EXTINF':
        this.#extInf(value);
        break;
      case '#EXT-X-DISCONTINUITY':
        this.#pending.discontinuity = true;
        this.#discontinuities++;
        break;
      case '#EXT-X-BYTERANGE':
        this.#pending.range = writtenRange(tag, value);
        break;
      case '#EXT-X-PROGRAM-DATE-TIME':
        this.#pending.programDateTime = dateTime(value.trim());
        if (this.#pending.programDateTime === undefined) this.#keep(line);
        break;
      case '#EXT-X-GAP':
        this.#pending.gap = true;
        break;
      case '#EXT-X-KEY':
        this.#key = key(parseAttributes(tag, value));
        break;
      case '#EXT-X-MAP':
        this.#map = map(parseAttributes(tag, value));
        break;
      case '#EXT-X-PART':
        this.#part(parseAttributes(tag, value));
        break;
      case '#EXT-X-PRELOAD-HINT':
        this.#preloadHints.push(preloadHint(parseAttributes(tag, value)));
        break;
      default:
        this.#playlistTag(line);
    }
  }

  #playlistTag(line: PlaylistLine): void {
    const { tag, value } = line;
    switch (tag) {
      case '#EXT-X-VERSION':
        this.#version = integer(tag, value);
        break;
      case '#EXT-X-TARGETDURATION':
        this.#targetDuration = decimal(tag, value.trim());
        break;
      case '#EXT-X-MEDIA-SEQUENCE':
        if (this.#segments.length > 0) throw badValue(tag, 'a place before the first segment', value);
        this.#mediaSequence = integer(tag, value.trim());
        break;
      case '#EXT-X-DISCONTINUITY-SEQUENCE':
        if (this.#segments.length > 0) throw badValue(tag, 'a place before the first segment', value);
        this.#discontinuitySequence = integer(tag, value.trim());
        break;
      case '#EXT-X-PLAYLIST-TYPE':
        if (value === 'EVENT' || value === 'VOD') this.#playlistType = value;
        else this.#keep(line);
        break;
      case '#EXT-X-ENDLIST':
        this.#endList = true;
        break;
      case '#EXT-X-INDEPENDENT-SEGMENTS':
        this.#independentSegments = true;
        break;
      case '#EXT-X-PART-INF':
        this.#partTarget = decimal('PART-TARGET', parseAttributes(tag, value)['PART-TARGET']);
        break;
      case '#EXT-X-SERVER-CONTROL':
        this.#serverControl = parseAttributes(tag, value);
        break;
      case '#EXT-X-SKIP':
        this.#skipped = integer('SKIPPED-SEGMENTS', parseAttributes(tag, value)['SKIPPED-SEGMENTS']);
        this.#keep(line);
        break;
      default:
        this.#keep(line);
    }
  }

  end(): MediaPlaylist {
    if (this.#targetDuration === undefined) {
      throw badValue('a media playlist', '#EXT-X-TARGETDURATION', undefined);
    }
    const first = this.#mediaSequence + this.#skipped;
    if (!Number.isSafeInteger(first + this.#segments.length)) {
      throw badValue('#EXT-X-MEDIA-SEQUENCE', 'sequence numbers below 2^53', String(first));
    }
    for (const [index, segment] of this.#segments.entries()) {
      segment.sequence = first + index;
      segment.discontinuitySequence += this.#discontinuitySequence;
    }
    return {
      kind: 'media',
      version: this.#version,
      targetDuration: this.#targetDuration,
      mediaSequence: this.#mediaSequence,
      discontinuitySequence: this.#discontinuitySequence,
      playlistType: this.#playlistType,
      endList: this.#endList,
      independentSegments: this.#independentSegments,
      partTarget: this.#partTarget,
      serverControl: this.#serverControl,
      segments: this.#segments,
      parts: this.#parts,
      preloadHints: this.#preloadHints,
      unknownTags: this.#unknownTags,
    };
  }

  #keep({ number, text }: PlaylistLine): void {
    this.#unknownTags.push({ line: number, text });
  }

  #extInf(value: string): void {
    const comma = value.indexOf(',');
    this.#pending.duration = decimal('#EXTINF', (comma < 0 ? value : value.slice(0, comma)).trim());
    this.#pending.title = comma < 0 ? '' : value.slice(comma + 1).trim();
  }

  #uri(uri: string): void {
    const { duration, title, discontinuity, range, programDateTime, gap } = this.#pending;
    if (duration === undefined) return;
    if (this.#segments.length === this.#limits.maxSegments) {
      throw tooLarge(`at most ${this.#limits.maxSegments} segments`, 'more');
    }
    this.#segments.push({
      sequence: 0,
      uri,
      duration,
      title,
      discontinuity,
      discontinuitySequence: this.#discontinuities,
      byteRange: this.#segmentRanges.resolve('#EXT-X-BYTERANGE', range, uri),
      key: this.#key,
      map: this.#map,
      programDateTime,
      gap,
      parts: this.#parts,
    });
    this.#pending = nothing();
    this.#parts = [];
  }

  #part(attributes: Readonly<Record<string, string>>): void {
    if (++this.#partCount > this.#limits.maxSegments) {
      throw tooLarge(`at most ${this.#limits.maxSegments} partial segments`, 'more');
    }
    const uri = required('#EXT-X-PART', 'URI', attributes);
    const range = optional(writtenRange, 'BYTERANGE', attributes.BYTERANGE);
    this.#parts.push({
      uri,
      duration: decimal('DURATION', attributes.DURATION),
      independent: attributes.INDEPENDENT === 'YES',
      gap: attributes.GAP === 'YES',
      byteRange: this.#partRanges.resolve('BYTERANGE', range, uri),
    });
  }
}

function required(tag: string, name: string, attributes: Readonly<Record<string, string>>): string {
  const value = attributes[name];
  if (value === undefined || value === '') throw badValue(tag, name, value);
  return value;
}

function key(attributes: Readonly<Record<string, string>>): SegmentKey | undefined {
  const method = required('#EXT-X-KEY', 'METHOD', attributes);
  if (method === 'NONE') return undefined;
  return { method, uri: attributes.URI, iv: attributes.IV, keyFormat: attributes.KEYFORMAT };
}

function map(attributes: Readonly<Record<string, string>>): MediaSegment['map'] {
  const uri = required('#EXT-X-MAP', 'URI', attributes);
  const range = optional(writtenRange, 'BYTERANGE', attributes.BYTERANGE);
  return { uri, byteRange: range && { length: range.length, offset: range.offset ?? 0 } };
}

function preloadHint(attributes: Readonly<Record<string, string>>): PreloadHint {
  return {
    type: required('#EXT-X-PRELOAD-HINT', 'TYPE', attributes),
    uri: required('#EXT-X-PRELOAD-HINT', 'URI', attributes),
    byteRangeStart: optional(integer, 'BYTERANGE-START', attributes['BYTERANGE-START']),
    byteRangeLength: optional(integer, 'BYTERANGE-LENGTH', attributes['BYTERANGE-LENGTH']),
  };
}
