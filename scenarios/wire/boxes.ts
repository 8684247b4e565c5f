/** The boxes of an ISO base media file (ISO/IEC 14496-12), as far as a judge of segments asks for them. Pure. */

export interface BoxesSeen {
  /** Types of the outermost boxes (4.2), with spaces between, up to the first that does not fit, which is called `?`. */
  readonly boxes: string;
  /** Of the first fragment (8.8.12), null where there is none. */
  readonly decodeTime: number | null;
}

export function describeBoxes(bytes: Uint8Array): BoxesSeen {
  const boxes = boxesOf(bytes, 0, bytes.length);
  const moof = boxes.find(({ type }) => type === 'moof');
  const traf = moof && boxesOf(bytes, moof.start, moof.end).find(({ type }) => type === 'traf');
  const tfdt = traf && boxesOf(bytes, traf.start, traf.end).find(({ type }) => type === 'tfdt');
  return {
    boxes: boxes.map(({ type }) => type).join(' '),
    decodeTime: tfdt ? decodeTimeOf(bytes, tfdt) : null,
  };
}

interface Box {
  readonly type: string;
  /** Of what is in it. */
  readonly start: number;
  readonly end: number;
}

const BOX_HEADER = 8;

function boxesOf(bytes: Uint8Array, from: number, to: number): Box[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const boxes: Box[] = [];
  for (let at = from; at < to; ) {
    const size = to - at >= BOX_HEADER ? view.getUint32(at) : 0;
    if (size < BOX_HEADER || at + size > to) return [...boxes, { type: '?', start: at, end: to }];
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + BOX_HEADER));
    boxes.push({ type, start: at + BOX_HEADER, end: at + size });
    at += size;
  }
  return boxes;
}

function decodeTimeOf(bytes: Uint8Array, { start, end }: Box): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = bytes[start] === 1;
  if (end - start < (isLong ? 12 : 8)) return null;
  return isLong ? Number(view.getBigUint64(start + 4)) : view.getUint32(start + 4);
}
