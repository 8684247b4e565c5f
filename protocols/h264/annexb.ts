/** NAL units behind start codes (H.264 Annex B), as in MPEG-TS and .h264 files. */

/**
 * The NAL units of a byte stream, as views; zero bytes around start codes belong to none of them
 * (leading_zero_8bits, trailing_zero_8bits). Bytes before the first start code are not a NAL unit.
 */
export function splitAnnexB(stream: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let begin = -1;
  let zeros = 0;
  for (let at = 0; at < stream.length; at++) {
    const byte = stream[at]!;
    if (byte === 0) {
      zeros++;
      continue;
    }
    if (byte === 1 && zeros >= 2) {
      if (begin >= 0 && at - zeros > begin) nals.push(stream.subarray(begin, at - zeros));
      begin = at + 1;
    }
    zeros = 0;
  }
  const end = stream.length - zeros;
  if (begin >= 0 && end > begin) nals.push(stream.subarray(begin, end));
  return nals;
}

/** Each NAL unit behind a start code of four bytes. */
export function joinAnnexB(nals: readonly Uint8Array[]): Uint8Array {
  const stream = new Uint8Array(nals.reduce((size, nal) => size + 4 + nal.length, 0));
  let at = 0;
  for (const nal of nals) {
    stream[at + 3] = 1;
    stream.set(nal, at + 4);
    at += 4 + nal.length;
  }
  return stream;
}
