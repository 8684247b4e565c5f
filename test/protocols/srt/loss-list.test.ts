import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LossList } from '../../../protocols/srt/loss-list.ts';
import { sequenceAdd, sequenceDistance } from '../../../protocols/srt/sequence.ts';

const BASE = 0x7fffffff - 50;
const at = (offset: number): number => sequenceAdd(BASE, offset);

test('a loss list holds what a set would hold, across the wrap of numbers', () => {
  const range = fc.tuple(fc.nat(100), fc.nat(12)).map(([first, more]) => [first, first + more] as const);
  const step = fc.oneof(
    range.map(([first, last]) => ({ do: 'insert' as const, first, last })),
    fc.nat(112).map((first) => ({ do: 'remove' as const, first, last: first })),
    range.map(([first, last]) => ({ do: 'range' as const, first, last })),
    fc.nat(60).map((first) => ({ do: 'before' as const, first, last: first })),
    fc.constant({ do: 'shift' as const, first: 0, last: 0 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const list = new LossList(1000);
      const model = new Set<number>();
      const drop = (is: (offset: number) => boolean): number => {
        const gone = [...model].filter(is);
        for (const offset of gone) model.delete(offset);
        return gone.length;
      };
      for (const { do: what, first, last } of steps) {
        if (what === 'insert') {
          list.insert(at(first), at(last));
          for (let offset = first; offset <= last; offset++) model.add(offset);
        } else if (what === 'remove') {
          assert.equal(list.remove(at(first)), model.delete(first));
        } else if (what === 'range') {
          assert.equal(
            list.removeRange(at(first), at(last)),
            drop((offset) => offset >= first && offset <= last),
          );
        } else if (what === 'before') {
          assert.equal(
            list.removeBefore(at(first)),
            drop((offset) => offset < first),
          );
        } else if (model.size > 0) {
          const least = Math.min(...model);
          model.delete(least);
          assert.equal(list.shift(), at(least));
        } else {
          assert.equal(list.shift(), -1);
        }
        assert.equal(list.size, model.size);
      }
      const held: number[] = [];
      for (let index = 0; index < list.count; index++) {
        for (let n = list.firstOf(index); sequenceDistance(n, list.lastOf(index)) >= 0; n = sequenceAdd(n, 1))
          held.push(sequenceDistance(BASE, n));
      }
      assert.deepEqual(
        held,
        [...model].toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 1000 },
  );
});

test('a loss list has no more ranges than its limit', () => {
  const list = new LossList(4);
  for (let offset = 0; offset < 100; offset += 3) list.insert(at(offset), at(offset));
  assert.equal(list.count, 4);
  list.clear();
  list.insert(at(0), at(100));
  for (let offset = 1; offset < 100; offset += 3) list.remove(at(offset));
  assert.equal(list.count, 4);
});
