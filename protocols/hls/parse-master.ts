import { parseAttributes } from './attributes.ts';
import { type PlaylistLimits, type PlaylistLine, tooLarge } from './lines.ts';
import type { MasterPlaylist, Rendition, UnknownTag, Variant } from './playlist.ts';
import { badValue, decimal, integer, optional } from './values.ts';

/** RFC 8216 section 4.3.4. EXT-X-I-FRAME-STREAM-INF and the session tags are kept in `unknownTags`. */
export function parseMaster(lines: readonly PlaylistLine[], limits: PlaylistLimits): MasterPlaylist {
  const variants: Variant[] = [];
  const renditions: Rendition[] = [];
  const unknownTags: UnknownTag[] = [];
  let version = 1;
  let independentSegments = false;
  let pending: Omit<Variant, 'uri'> | undefined;

  for (const { number, text, tag, value } of lines) {
    switch (tag) {
      case '#EXTM3U':
        break;
      case '#EXT-X-VERSION':
        version = integer(tag, value);
        break;
      case '#EXT-X-INDEPENDENT-SEGMENTS':
        independentSegments = true;
        break;
      case '#EXT-X-STREAM-INF':
        if (pending) throw badValue(tag, 'a URI after the variant before it', text);
        pending = variant(parseAttributes(tag, value));
        break;
      case '#EXT-X-MEDIA':
        renditions.push(rendition(parseAttributes(tag, value)));
        if (renditions.length > limits.maxSegments)
          throw tooLarge(`${limits.maxSegments} renditions`, 'more');
        break;
      case '':
        if (pending) variants.push({ uri: value, ...pending });
        if (variants.length > limits.maxSegments) throw tooLarge(`${limits.maxSegments} variants`, 'more');
        pending = undefined;
        break;
      default:
        unknownTags.push({ line: number, text });
    }
  }
  if (pending) throw badValue('#EXT-X-STREAM-INF', 'a URI on the line after it', undefined);
  return { kind: 'master', version, independentSegments, variants, renditions, unknownTags };
}

function variant(attributes: Readonly<Record<string, string>>): Omit<Variant, 'uri'> {
  return {
    bandwidth: optional(integer, 'BANDWIDTH', attributes.BANDWIDTH) ?? 0,
    averageBandwidth: optional(integer, 'AVERAGE-BANDWIDTH', attributes['AVERAGE-BANDWIDTH']),
    codecs: attributes.CODECS,
    resolution: optional(resolution, 'RESOLUTION', attributes.RESOLUTION),
    frameRate: optional(decimal, 'FRAME-RATE', attributes['FRAME-RATE']),
    attributes,
  };
}

function resolution(where: string, text: string): { width: number; height: number } {
  const [width, height, more] = text.split('x', 3);
  if (more !== undefined) throw badValue(where, '<width>x<height>', text);
  return { width: integer(where, width), height: integer(where, height) };
}

function rendition(attributes: Readonly<Record<string, string>>): Rendition {
  return {
    type: attributes.TYPE ?? '',
    groupId: attributes['GROUP-ID'] ?? '',
    name: attributes.NAME ?? '',
    uri: attributes.URI,
    attributes,
  };
}
