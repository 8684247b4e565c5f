import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadedMedia } from '../../../drivers/hls/loaded-media.ts';

test('what is loaded is played from the first byte on', () => {
  const loaded = new LoadedMedia();
  assert.equal(loaded.ahead(500), 0);
  loaded.begin(1000);
  loaded.add(2000, 1100);
  assert.equal(loaded.ahead(1500), 1500);
  loaded.begin(1600);
  loaded.add(2000, 1700);
  assert.equal(loaded.ahead(2000), 3000);
});

test('a picture that stood still does not make up for it', () => {
  const loaded = new LoadedMedia();
  loaded.begin(0);
  loaded.add(1000, 0);
  assert.equal(loaded.ahead(61_000), 0);
  loaded.add(1000, 61_000);
  assert.equal(loaded.ahead(61_000), 0);
  loaded.add(1000, 61_200);
  assert.equal(loaded.ahead(61_200), 800);
});
