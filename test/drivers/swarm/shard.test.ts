import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareOf, WHOLE, within } from '../../../drivers/swarm/shard.ts';

test('the clients of all workers of all shards are those of one big run, each once', () => {
  for (const clients of [1, 7, 64, 1000]) {
    for (const of of [1, 2, 3, 7]) {
      for (const workers of [1, 2, 5]) {
        const numbers: number[] = [];
        for (let index = 0; index < of; index++) {
          const shard = { index, of };
          const own = shareOf(clients, shard);
          for (let worker = 0; worker < workers; worker++) {
            const inner = { index: worker, of: workers };
            const { first, step } = within(shard, inner);
            for (let at = 0; at < shareOf(own, inner); at++) numbers.push(first + at * step);
          }
        }
        assert.deepEqual(
          numbers.sort((a, b) => a - b),
          Array.from({ length: clients }, (_, number) => number),
          `${clients} clients, ${of} shards, ${workers} workers`,
        );
      }
    }
  }
});

test('a swarm without shards has all clients, its workers every n-th', () => {
  assert.equal(shareOf(11, WHOLE), 11);
  assert.deepEqual(within(WHOLE, { index: 1, of: 3 }), { first: 1, step: 3 });
});
