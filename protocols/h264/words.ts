/** Words of a byte array, without a view for each array: readers share one buffer, and a view costs more than a frame. */

interface Words {
  /** Of the whole buffer. */
  view: DataView;
  /** Of the array's first byte in it. */
  offset: number;
}

const words: Words = { view: new DataView(new ArrayBuffer(0)), offset: 0 };
let seen: Uint8Array | undefined;

/** Valid until the next call. */
export function wordsOf(bytes: Uint8Array): Readonly<Words> {
  if (bytes === seen) return words;
  if (words.view.buffer !== bytes.buffer) words.view = new DataView(bytes.buffer);
  words.offset = bytes.byteOffset;
  seen = bytes;
  return words;
}
