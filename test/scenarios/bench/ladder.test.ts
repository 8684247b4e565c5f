import assert from 'node:assert/strict';
import { test } from 'node:test';
import { climb, climbFromFoot, type LadderOptions } from '../../../scenarios/bench/ladder.ts';

const OPTIONS: LadderOptions = { start: 100, limit: 10_000, factor: 2, resolution: 1.1, isOver: () => false };

/** A server that carries so many. */
function server(capacity: number, options: Partial<LadderOptions> = {}) {
  const tried: number[] = [];
  const attempt = async (value: number) => {
    tried.push(value);
    return { value, holds: value <= capacity };
  };
  return { tried, climbed: climb({ ...OPTIONS, ...options }, attempt) };
}

for (const capacity of [1, 3, 50, 99, 100, 101, 777, 4321, 9999]) {
  test(`the ladder comes within its resolution of a server that carries ${capacity}`, async () => {
    const { tried, climbed } = server(capacity);
    const { largest, failed, end, steps } = await climbed;
    assert.equal(end, 'bracketed');
    assert.ok(largest!.value <= capacity && failed!.value > capacity);
    assert.ok(failed!.value - largest!.value <= 1 || failed!.value / largest!.value <= 1.1);
    assert.deepEqual(
      steps.map(({ value }) => value),
      tried,
    );
    assert.ok(tried.length <= 16, `${tried.length} steps`);
  });
}

test('up to the limit everything holds: it is tried, and it is the end', async () => {
  const { tried, climbed } = server(Number.POSITIVE_INFINITY, { limit: 500 });
  const { largest, failed, end } = await climbed;
  assert.deepEqual([tried, largest?.value, failed, end], [[100, 200, 400, 500], 500, undefined, 'limit']);
});

test('a start beyond the limit begins at the limit', async () => {
  const { tried, climbed } = server(1000, { limit: 30 });
  assert.equal((await climbed).end, 'limit');
  assert.deepEqual(tried, [30]);
});

test('a server that carries nothing is asked down to one', async () => {
  const { tried, climbed } = server(0);
  const { largest, failed, end } = await climbed;
  assert.deepEqual(tried, [100, 50, 25, 12, 6, 3, 1]);
  assert.deepEqual([largest, failed?.value, end], [undefined, 1, 'bracketed']);
});

test('when time is over the ladder ends with what it has', async () => {
  let left = 3;
  const { tried, climbed } = server(1000, { isOver: () => --left === 0 });
  const { largest, failed, end } = await climbed;
  assert.deepEqual(tried, [100, 200, 400]);
  assert.deepEqual([largest?.value, failed, end], [400, undefined, 'time']);
});

test('a step that was cut off is none', async () => {
  const climbed = await climb(OPTIONS, async (value) => (value > 200 ? undefined : { value, holds: true }));
  assert.deepEqual(
    [climbed.steps.map(({ value }) => value), climbed.largest?.value, climbed.end],
    [[100, 200], 200, 'time'],
  );
});

test('where one value alone held a lower one is tried, however late it is; it changes nothing of the answer', async () => {
  const over = { ...OPTIONS, isOver: () => true };
  const tried: number[] = [];
  const carries = (capacity: number) => async (value: number) => {
    tried.push(value);
    return { value, holds: value <= capacity };
  };
  const { largest, failed, steps, end } = await climbFromFoot(over, carries(1000));
  assert.deepEqual([tried, largest?.value, failed, end], [[100, 50], 100, undefined, 'time']);
  assert.deepEqual(
    steps.map(({ value }) => value),
    tried,
  );
  tried.length = 0;
  const bracketed = await climbFromFoot({ ...OPTIONS, resolution: 2 }, carries(150));
  assert.deepEqual([tried, bracketed.largest?.value, bracketed.failed?.value], [[100, 200, 50], 100, 200]);
  // Two that held, none, and one below which there is nothing.
  for (const [capacity, limit] of [
    [400, 10_000],
    [0, 10_000],
    [1, 1],
  ] as const) {
    const options = { ...OPTIONS, limit };
    assert.deepEqual(
      await climbFromFoot(options, carries(capacity)),
      await climb(options, carries(capacity)),
      `${capacity}`,
    );
  }
  const cut = await climbFromFoot(over, async (value) => (value < 100 ? undefined : { value, holds: true }));
  assert.deepEqual(
    cut.steps.map(({ value }) => value),
    [100],
  );
});
