/** Random and mutated packets, the same in every run. */

/** Mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** Every fourth packet is noise; the others are a seed with bytes changed, cut off, doubled or added. */
export function* mutations(seeds: readonly Uint8Array[], count: number, seed = 1): Generator<Uint8Array> {
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let i = 0; i < count; i++) {
    if (i % 4 === 0) {
      yield Uint8Array.from({ length: below(200) }, () => below(256));
      continue;
    }
    const source = seeds[below(seeds.length)]!;
    let bytes = Uint8Array.from(source);
    for (let change = 1 + below(6); change > 0 && bytes.length > 0; change--) {
      const at = below(bytes.length);
      const how = below(8);
      if (how < 5) bytes[at] = how === 0 ? 0xff : how === 1 ? 0 : below(256);
      else if (how === 5) bytes = bytes.slice(0, at);
      else if (how === 6) bytes = Uint8Array.of(...bytes, ...bytes.subarray(at, at + 40));
      else bytes.copyWithin(at, below(bytes.length));
    }
    yield bytes;
  }
}
