import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HistoryWriter } from '../../reports/history-writer.ts';
import { maskSecrets } from '../../reports/secrets.ts';
import { writeRun } from '../../reports/write.ts';
import { load } from './samples.ts';

test('tokens, signatures and passwords in URLs are masked, and nothing else is', () => {
  assert.equal(
    maskSecrets('rtmp://h/live/x?token=abc&vhost=v&auth_key=1-2-3 and http://me:pw@h/x.flv?Sign=s#f'),
    'rtmp://h/live/x?token=***&vhost=v&auth_key=*** and http://***@h/x.flv?Sign=***',
  );
  const plain = 'rtmp://127.0.0.1:1935/live/x?vhost=a&monkey_business keys=3';
  assert.equal(maskSecrets(plain), plain);
});

test('so are those of other servers and of CDNs: by words with hyphens, by JWT, by signed URLs of storage and of Akamai', () => {
  const names = [
    'pwd',
    'jwt',
    'access-token',
    'X-Amz-Signature',
    'X-Amz-Security-Token',
    'sig',
    'hdnts',
    'hdnea',
  ];
  for (const name of names) {
    const value = 'exp=1~acl=/*~hmac=0a';
    assert.equal(
      maskSecrets(`http://h/x.flv?a=b&${name}=${value}&c=d`),
      `http://h/x.flv?a=b&${name}=***&c=d`,
    );
  }
  const plain = 'http://h/x.flv?X-Amz-Expires=60&design=3&jwts=1&pwds=2';
  assert.equal(maskSecrets(plain), plain);
});

test('SRT passphrases whole, secrets in stream ids, and bearer tokens', () => {
  assert.equal(
    maskSecrets('srt://h:1?passphrase=a,b;c\'d<e&latency=1 {"u":"srt://h:1?mode=x&PASSPHRASE=q"}'),
    'srt://h:1?passphrase=***&latency=1 {"u":"srt://h:1?mode=x&PASSPHRASE=***"}',
  );
  assert.equal(
    maskSecrets(
      'streamid=#!::r=live/x,secret=hunter2,m=publish and %23!::r%3Dlive/x%2Ctoken%3Dhunter2&latency=1',
    ),
    'streamid=#!::r=live/x,secret=***,m=publish and %23!::r%3Dlive/x%2Ctoken%3D***&latency=1',
  );
  assert.equal(maskSecrets('Authorization: Bearer aA0-._~+/=='), 'Authorization: Bearer ***');
  assert.equal(maskSecrets('{"authorization":"bearer abc.def"}'), '{"authorization":"bearer ***"}');
  assert.equal(maskSecrets('whep://me:pw@h/x?token=abc'), 'whep://***@h/x?token=***');
});

test('passwords and cookies in heads of HTTP, and those of ICE', () => {
  assert.equal(
    maskSecrets('Authorization: Basic bWU6cHc=\r\nCookie: session=hunter2; a=b\r\nSet-Cookie: t=hunter2\r\n'),
    'Authorization: Basic ***\r\nCookie: ***\r\nSet-Cookie: ***\r\n',
  );
  assert.equal(maskSecrets('{"authorization":"Basic bWU6cHc="}'), '{"authorization":"Basic ***"}');
  assert.equal(
    maskSecrets('a=ice-ufrag:abcd\r\na=ice-pwd:hunter2hunter2\r\n'),
    'a=ice-ufrag:abcd\r\na=ice-pwd:***\r\n',
  );
  const plain = 'basic checks of cookies: two';
  assert.equal(maskSecrets(plain), plain);
});

test('no file of a run carries a secret', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'liveproof-secrets-'));
  const url =
    'rtmp://user:hunter2@127.0.0.1/live/x?token=hunter2 srt://127.0.0.1:1?passphrase=hunter2,hunter2 Bearer hunter2';
  const history = new HistoryWriter(join(directory, 'history.ndjson'));
  history.append({ check: 'a/b', location: url });
  const sample = load();
  assert.ok(sample.load);
  await writeRun(
    directory,
    {
      ...sample,
      command: ['load', url],
      load: { ...sample.load, urls: [url], reasons: { [`x ${url}`]: 1 } },
    },
    { history: await history.close() },
  );
  const files = await readdir(directory);
  assert.ok(files.length >= 5, files.join());
  for (const file of files) {
    const text = await readFile(join(directory, file), 'utf8');
    assert.ok(!text.includes('hunter2'), file);
    if (file === 'history.ndjson') assert.equal(JSON.parse(text).check, 'a/b');
  }
});
