import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, numberOf, shareOf, sizeOf, WHOLE } from '../../../drivers/swarm/shard.ts';

interface Run {
  readonly clients: number;
  readonly shards: number;
  readonly workers: number;
  readonly urls: number;
}

function* runs(): Generator<Run> {
  for (const clients of [1, 2, 5, 7, 12, 64, 301])
    for (const shards of [1, 2, 3, 4, 7])
      for (const workers of [1, 2, 3, 4, 5, 8])
        for (const urls of [1, 2, 3, 4, 6, 8, 40]) yield { clients, shards, workers, urls };
}

/** The numbers of each worker's clients, of each shard. */
function dealt({ clients, shards, workers, urls }: Run): number[][][] {
  const parts = (of: number) => Array.from({ length: of }, (_, index) => ({ index, of }));
  return parts(shards).map((shard) =>
    parts(workers).map((worker) => {
      const hand = { shard, worker, urls };
      return Array.from({ length: sizeOf(clients, hand) }, (_, index) => numberOf(index, hand));
    }),
  );
}

const counted = ({ clients, shards, workers, urls }: Run): string =>
  `${clients} clients, ${shards} shards, ${workers} workers, ${urls} URLs`;

test('the clients of all workers of all shards are those of one big run, each once', () => {
  for (const run of runs()) {
    const all = dealt(run);
    assert.deepEqual(
      all.flat(2).sort((a, b) => a - b),
      Array.from({ length: run.clients }, (_, number) => number),
      counted(run),
    );
    for (const [index, hands] of all.entries()) {
      const shard = { index, of: run.shards };
      const own = hands.flat();
      assert.equal(own.length, shareOf(run.clients, shard), counted(run));
      assert.ok(
        own.every((number) => number % shard.of === index),
        counted(run),
      );
    }
  }
});

test('of a URL, and of all, no worker of a shard has two clients more than another', () => {
  for (const run of runs()) {
    for (const hands of dealt(run)) {
      const differ = (of: (number: number) => boolean): number => {
        const counts = hands.map((numbers) => numbers.filter(of).length);
        return Math.max(...counts) - Math.min(...counts);
      };
      assert.ok(differ(() => true) <= 1, counted(run));
      for (let url = 0; url < run.urls; url++)
        assert.ok(differ((number) => number % run.urls === url) <= 1, `${counted(run)}: URL ${url}`);
    }
  }
});

test('a worker plays the URLs of its shard in turn, and its clients come in the order of the whole run', () => {
  for (const run of runs()) {
    for (const hands of dealt(run)) {
      const [own, urls] = [hands.flat(), (numbers: number[]) => new Set(numbers.map((n) => n % run.urls))];
      // A shard without clients plays none.
      const turn = Math.max(1, urls(own).size);
      for (const numbers of hands) {
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          counted(run),
        );
        for (let at = 0; at + turn <= numbers.length; at += turn)
          assert.equal(urls(numbers.slice(at, at + turn)).size, turn, counted(run));
      }
    }
  }
});

test('a swarm without shards has all clients; of one URL its workers have every n-th', () => {
  assert.equal(shareOf(11, WHOLE), 11);
  assert.equal(sizeOf(11, ALL), 11);
  const numbers = (hand: typeof ALL) => [0, 1, 2, 3].map((index) => numberOf(index, hand));
  assert.deepEqual(numbers(ALL), [0, 1, 2, 3]);
  assert.deepEqual(numbers({ ...ALL, worker: { index: 1, of: 3 } }), [1, 4, 7, 10]);
  assert.deepEqual(numbers({ ...ALL, worker: { index: 0, of: 2 }, urls: 2 }), [0, 3, 4, 7]);
});
