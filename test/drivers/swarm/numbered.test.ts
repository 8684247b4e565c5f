import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasNumber, numbered } from '../../../drivers/swarm/numbered.ts';

test('every %d is the number of the stream, and bytes that are percent-encoded are none', () => {
  assert.equal(numbered('rtmp://127.0.0.1/app-%d/s-%d', 12), 'rtmp://127.0.0.1/app-12/s-12');
  assert.equal(
    numbered('srt://127.0.0.1:9000?streamid=%23!::r=live/s%d,m=publish', 1),
    'srt://127.0.0.1:9000?streamid=%23!::r=live/s1,m=publish',
  );
  for (const url of [
    'rtmp://127.0.0.1/live/%d1%82',
    'rtmp://127.0.0.1/live/%DF',
    'rtmp://127.0.0.1/live/s',
  ]) {
    assert.equal(numbered(url, 1), url);
    assert.equal(hasNumber(url), false);
  }
});
