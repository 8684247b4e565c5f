import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../lab/taps/udp-faults.ts';
import { ProtocolError } from '../../../protocols/errors.ts';
import { TsMediaReader } from '../../../protocols/mpegts/media.ts';
import { TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import { retained } from '../../support/memory.ts';
import { muxTs, stampedTags } from './collect.ts';

const MESSAGES = 100_000;
/** As much as SRT carries at once. */
const MESSAGE_BYTES = 7 * TS_PACKET_SIZE;
const MAX_GROWTH_MIB = 8;

test(`${MESSAGES} damaged messages one after the other: a typed error or media, and nothing is kept`, () => {
  const random = seededRandom(15);
  const int = (below: number): number => Math.floor(random() * below);
  const reader = new TsMediaReader({ layout() {}, begin() {}, data() {}, end() {} });
  const stream = muxTs(stampedTags());
  const readAll = (): number => {
    const known = reader.units;
    reader.push(stream, 0, stream.length, MESSAGES);
    reader.end(MESSAGES);
    return reader.units - known;
  };
  const messages = Math.floor(stream.length / MESSAGE_BYTES);
  const whole = readAll();
  let refused = 0;
  const before = retained();
  for (let index = 0; index < MESSAGES; index++) {
    const from = (index % messages) * MESSAGE_BYTES;
    const bytes = stream.slice(from, from + MESSAGE_BYTES);
    for (let changes = int(4); changes > 0; changes--) {
      const packet = int(7) * TS_PACKET_SIZE;
      // Near the beginnings of packets, where it matters.
      bytes[packet + int(random() < 0.7 ? 40 : TS_PACKET_SIZE)] = int(256);
    }
    try {
      reader.push(bytes, 0, bytes.length, index);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      refused++;
      reader.reset();
    }
  }
  const known = reader.units;
  assert.ok(refused > MESSAGES / 100 && known > MESSAGES / 100, `${refused} refused, ${known} units`);
  const grown = retained() - before;
  assert.ok(grown < MAX_GROWTH_MIB, `${grown.toFixed(1)} MiB more`);
  // It goes on as if nothing had been.
  reader.reset();
  assert.equal(readAll(), whole);
});
