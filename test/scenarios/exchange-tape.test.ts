import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExchangeTape } from '../../scenarios/exchange-tape.ts';

const head = Buffer.from('HTTP/1.1 200 OK\r\n\r\n');

test('of very many requests the first and the last are kept', () => {
  let now = 0;
  const tape = new ExchangeTape(() => now);
  for (let i = 0; i < 100; i++) {
    now = 10 * i;
    const strip = tape.begin();
    strip.wrote(Buffer.from(`GET /${i} HTTP/1.1\r\n\r\n`));
    strip.read(head, head.length);
  }
  const text = tape.describe();
  assert.deepEqual(
    [...text.matchAll(/GET \/(\d+) /g)].map(([, i]) => Number(i)),
    [0, 1, 2, 3, 4, 5, 94, 95, 96, 97, 98, 99],
  );
  assert.match(text, /^-- requests: 100; /);
  assert.match(text, / {3}… 88 are left out\n-- request 95, 940\.0 ms: /);
});

test('answers of two requests at a time stay apart, and of each only the beginning is kept', () => {
  const tape = new ExchangeTape(() => 0);
  const [one, other] = [tape.begin(), tape.begin()];
  for (const strip of [one, other]) strip.wrote(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  for (const [strip, letter] of [
    [one, 'a'],
    [other, 'b'],
  ] as const) {
    strip.read(head, head.length);
    for (let i = 0; i < 100; i++) strip.read(Buffer.alloc(1000, letter), 900);
  }
  const text = tape.describe();
  assert.match(text, /-- answer 1, 0\.0 ms: 90019 bytes\n {3}HTTP\/1\.1 200 OK\n00000013 {2}61 61 /);
  assert.match(text, /-- answer 2, 0\.0 ms: 90019 bytes\n {3}HTTP\/1\.1 200 OK\n00000013 {2}62 62 /);
  assert.equal(text.split('\n').length, 1 + 2 * (1 + 1 + 1 + 1 + 4));
});

test('what is no HTTP is shown in hex, and no byte of it reaches a terminal', () => {
  const tape = new ExchangeTape(() => 0);
  const strip = tape.begin();
  strip.wrote(Buffer.from('GET / HTTP/1.1\r\nX: \x1b[2J\r\n\r\n'));
  strip.read(Buffer.from([1, 2, 3]), 3);
  const text = tape.describe();
  assert.match(text, / {3}X: \.\[2J\n/);
  assert.match(text, /-- answer 1, 0\.0 ms: 3 bytes\nno whole HTTP head\n00000000 {2}01 02 03 /);
});
