import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStreamId } from '../../../lab/builtin/srt/stream-id.ts';
import { retained } from '../../support/memory.ts';

const INPUTS = 100_000;
const MAX_GROWTH_MIB = 8;

const target = (app: string, stream: string, publish: boolean) => ({ app, stream, publish });

test('stream ids mean what they mean to SRS', () => {
  const known: [string, ReturnType<typeof parseStreamId>][] = [
    ['#!::r=live/livestream,m=publish', target('live', 'livestream', true)],
    ['#!::r=live/livestream,m=request', target('live', 'livestream', false)],
    ['#!::m=publish,r=live/livestream', target('live', 'livestream', true)],
    ['#!::r=live/livestream', target('live', 'livestream', false)],
    ['#!::r=/live/livestream,m=PUBLISH', target('live', 'livestream', true)],
    ['#!::h=live/livestream,m=publish', target('live', 'livestream', true)],
    [
      '#!::h=srs.example,r=live/livestream,m=publish',
      { ...target('live', 'livestream', true), vhost: 'srs.example' },
    ],
    ['#!::h=,r=live/livestream,m=publish', target('live', 'livestream', true)],
    ['#!::r=live/livestream?secret=x,m=publish', target('live', 'livestream?secret=x', true)],
    ['#!::r=live/livestream,m=publish,k=1,l=2', target('live', 'livestream?k=1&l=2', true)],
    ['#!::r=livestream,m=request', target('live', 'livestream', false)],
    ['live/livestream', target('live', 'livestream', false)],
    ['show/other', target('show', 'other', false)],
    ['livestream', target('live', 'livestream', false)],
    ['', target('live', 'livestream', true)],
    ['#!::r=live/livestream,m=bidirectional', undefined],
    ['#!::r=live/livestream,m=', undefined],
  ];
  for (const [id, expected] of known) assert.deepEqual(parseStreamId(id), expected, id);
});

test(`${INPUTS} strange stream ids: each means something or nothing, and nothing is kept`, () => {
  const part = fc.constantFrom(
    '#!::',
    'r=',
    'm=',
    'publish',
    ',',
    '=',
    '?',
    '/',
    'h=',
    'live',
    '\u0000',
    'ü',
  );
  const before = retained();
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join('')),
      ),
      (id) => {
        const found = parseStreamId(id);
        assert.ok(found === undefined || typeof found.stream === 'string');
      },
    ),
    { numRuns: INPUTS },
  );
  const grown = retained() - before;
  assert.ok(grown < MAX_GROWTH_MIB, `${grown.toFixed(1)} MiB more`);
});
