/**
 * The inner loop of the stamp's checksum as WebAssembly (core specification 1.0, section 5: binary format), over
 * memory of its own. In JavaScript every word is checked against the bounds of its buffer and multiplied in turn, which
 * is over half of what a player costs; this is two and a half times as fast. Where there is no WebAssembly (k6) the
 * loop in checksum.ts does the same.
 */

/** Of memory, as WebAssembly counts it. */
const PAGE = 65_536;
const PAGES = 2;
/** The four lanes lie before the data. */
const LANES = 0;
const DATA = 64;

const MULTIPLIER = [0xb1, 0xf3, 0xdd, 0xf1, 0x79];

const op = {
  end: 0x0b,
  loop: 0x03,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  load: 0x28,
  store: 0x36,
  constant: 0x41,
  lessUnsigned: 0x49,
  add: 0x6a,
  multiply: 0x6c,
  xor: 0x73,
  i32: 0x7f,
  func: 0x60,
  empty: 0x40,
} as const;

/** Parameters: 0 where the blocks of 16 bytes begin, 1 where they end (at least one). Locals 2 to 5: the lanes. */
const body: number[] = [
  ...[1, 4, op.i32],
  ...[2, 3, 4, 5].flatMap((lane, i) => [op.constant, LANES, op.load, 2, 4 * i, op.localSet, lane]),
  ...[op.loop, op.empty],
  ...[2, 3, 4, 5].flatMap((lane, i) => [
    ...[op.localGet, 0, op.load, 0, 4 * i, op.localGet, lane, op.xor],
    ...[op.constant, ...MULTIPLIER, op.multiply, op.localSet, lane],
  ]),
  ...[op.localGet, 0, op.constant, 16, op.add, op.localTee, 0, op.localGet, 1, op.lessUnsigned, op.brIf, 0],
  op.end,
  ...[2, 3, 4, 5].flatMap((lane, i) => [op.constant, LANES, op.localGet, lane, op.store, 2, 4 * i]),
  op.end,
];

/** Numbers below 128 are their own LEB128; longer sections have two bytes of it. */
function sized(content: readonly number[]): number[] {
  const { length } = content;
  return length < 128 ? [length, ...content] : [(length & 0x7f) | 0x80, length >> 7, ...content];
}

const module = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, ...sized([1, op.func, 2, op.i32, op.i32, 0])],
  ...[3, ...sized([1, 0])],
  ...[5, ...sized([1, 0, PAGES])],
  ...[7, ...sized([2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0])],
  ...[10, ...sized([1, ...sized(body)])],
]);

/** As much of the JavaScript interface (webassembly-js-api) as is used; not every host has it. */
declare const WebAssembly:
  | {
      Module: new (bytes: Uint8Array) => object;
      Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
    }
  | undefined;

interface Kernel {
  /** The memory whose bytes it can read. */
  readonly buffer: ArrayBuffer;
  /** Set before `run`, read after it. */
  readonly lanes: Int32Array;
  /** Byte offsets in `buffer`; `end - start` is a multiple of 16, and not 0. */
  run(start: number, end: number): void;
}

function compile(): Kernel | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const { buffer } = exports.m as { readonly buffer: ArrayBuffer };
  return { buffer, lanes: new Int32Array(buffer, LANES, 4), run: exports.f as Kernel['run'] };
}

/** undefined where there is no WebAssembly. */
export const kernel: Kernel | undefined = compile();

/** A buffer for what is read from sockets: its checksum costs least. There is one; whoever shares it takes turns. */
export const fastBuffer: Uint8Array =
  kernel === undefined ? new Uint8Array(PAGE) : new Uint8Array(kernel.buffer, DATA, PAGE);
