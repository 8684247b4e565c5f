/** Fat frames: a stream that fills every buffer on its way within a second or two. */
import { MediaSource } from '../drivers/measure/source.ts';
import { encodeTag, flvHeader } from '../protocols/flv/writer.ts';

/** forbidden_zero_bit 0, nal_ref_idc 0, nal_unit_type 12: filler data (H.264 7.4.1, table 7-1). */
const FILLER_NAL = 12;
/** ff_byte, and rbsp_trailing_bits at the end (H.264 7.3.2.7). */
const FF_BYTE = 0xff;
const TRAILING_BITS = 0x80;
const LENGTH_SIZE = 4;

/**
 * The first `ms` of a source, every video frame of it followed by a NAL unit of filler data of so many bytes. Players
 * decode the same pictures from it, and the stamps hold: they do not cover filler.
 */
export function paddedSource(source: MediaSource, fillerBytes: number, ms: number): MediaSource {
  const filler = fillerNal(fillerBytes);
  const media = source.items
    .filter(({ timestamp }) => timestamp < ms)
    .map(({ type, timestamp, body, template }) =>
      encodeTag(type, timestamp, template === undefined ? body : Buffer.concat([body, filler])),
    );
  const headers = source.headers.map(({ type, body }) => encodeTag(type, 0, body));
  return new MediaSource(Buffer.concat([flvHeader({ audio: true, video: true }), ...headers, ...media]));
}

/** Its first keyframe, and of all else what is none: a publisher who must be asked for the next one. */
export function rareKeyframes(source: MediaSource): MediaSource {
  const [first] = source.items.filter(({ template }) => template?.keyframe);
  const media = source.items
    .filter((item) => item === first || !item.template?.keyframe)
    .map(({ type, timestamp, body }) => encodeTag(type, timestamp, body));
  const headers = source.headers.map(({ type, body }) => encodeTag(type, 0, body));
  return new MediaSource(Buffer.concat([flvHeader({ audio: true, video: true }), ...headers, ...media]));
}

/** AVCC: with its length before it. */
function fillerNal(bytes: number): Buffer {
  const nal = Buffer.alloc(LENGTH_SIZE + bytes, FF_BYTE);
  nal.writeUInt32BE(bytes);
  nal[LENGTH_SIZE] = FILLER_NAL;
  nal[nal.length - 1] = TRAILING_BITS;
  return nal;
}
