import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type HaproxyInput, renderHaproxy } from '../../../lab/render/haproxy.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';

const server = (n: number) => ({
  name: `edge-${n}`,
  host: `127.1.0.${n}`,
  rtmpPort: 1935,
  httpPort: 8080,
  apiPort: 1985,
});

const input: HaproxyInput = {
  front: 'edges',
  host: '127.0.0.1',
  rtmpPort: 21935,
  httpPort: 21936,
  statsPort: 21937,
  servers: [server(1), server(2), server(3)],
  maxConnections: 1000,
  threads: 2,
};

const proxies: HaproxyInput = {
  ...input,
  front: 'proxies',
  proxied: { apiPort: 21938, systemPort: 21939 },
  servers: [server(1), server(2)].map((one) => ({
    ...one,
    name: one.name.replace('edge', 'proxy'),
    systemPort: 12025,
  })),
};

describe('haproxy.cfg', () => {
  it('is accepted by haproxy without a warning', () => {
    const masters: HaproxyInput = { ...input, front: 'masters' };
    for (const each of [
      input,
      masters,
      { ...masters, blind: true },
      { ...masters, sticky: true },
      proxies,
      { ...proxies, blind: true },
    ]) {
      const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-haproxy-'));
      try {
        const file = path.join(directory, 'haproxy.cfg');
        writeFileSync(file, renderHaproxy(each));
        const result = spawnSync(findProgram('haproxy') ?? 'haproxy', ['-c', '-f', file], {
          encoding: 'utf8',
        });
        assert.equal(result.status, 0, result.stderr);
        assert.doesNotMatch(result.stderr, /WARNING|ALERT/);
      } finally {
        rmSync(directory, { recursive: true });
      }
    }
  });

  it('gives publishers every master in turn, and another one when one is dead', () => {
    const text = renderHaproxy({ ...input, front: 'masters' });
    assert.equal(text.match(/^ {4}server edge-\d 127\.1\.0\.\d:1935 check port 1985$/gm)?.length, 3);
    for (const line of ['balance roundrobin', 'option redispatch 1', 'retries 3']) {
      assert.match(text, new RegExp(`^    ${line}$`, 'm'));
    }
    const blind = renderHaproxy({ ...input, front: 'masters', blind: true });
    assert.doesNotMatch(blind, /check port|redispatch \d$|httpchk/m);
    assert.match(blind, /^ {4}retries 0$/m);
    const sticky = renderHaproxy({ ...input, front: 'masters', sticky: true });
    assert.doesNotMatch(sticky, /redispatch/);
    assert.match(sticky, /^ {4}retries 3$/m);
  });

  it('gives a server that does not answer up before the checks end the session, and takes another one', () => {
    for (const text of [
      renderHaproxy(input),
      renderHaproxy({ ...input, front: 'masters' }),
      renderHaproxy(proxies),
    ]) {
      const [connect, inter] = [/timeout connect (\d+)ms/, / inter (\d+)ms .* fall 2 on-marked-down/].map(
        (one) => Number(one.exec(text)?.[1]),
      );
      // A check has as long to connect as there is between two; the second of them ends a session.
      assert.ok(connect! <= inter!, `${connect} ms, ${inter} ms`);
      assert.match(text, /^ {4}option redispatch 1$/m);
    }
  });

  it('gives both protocols every edge, and leaves loopback for nothing', () => {
    const text = renderHaproxy(input);
    assert.equal(text.match(/^ {4}server edge-\d 127\.1\.0\.\d:8080 check port 1985$/gm)?.length, 3);
    assert.equal(
      text.match(/^ {4}server edge-\d 127\.1\.0\.\d:1935 track flv-edges\/edge-\d( |$)/gm)?.length,
      3,
    );
    const binds = [...text.matchAll(/^ {4}bind (\S+)$/gm)].map((match) => match[1]);
    assert.deepEqual(binds, ['127.0.0.1:21935', '127.0.0.1:21936', '127.0.0.1:21937']);
  });

  it('gives every proxy all four protocols over TCP, and looks at their API', () => {
    const text = renderHaproxy(proxies);
    assert.equal(text.match(/^ {4}server proxy-\d 127\.1\.0\.\d:1985 check$/gm)?.length, 2);
    for (const port of [1935, 8080, 12025]) {
      const tracking = new RegExp(
        `^ {4}server proxy-\\d 127\\.1\\.0\\.\\d:${port} track api-proxies/proxy-\\d$`,
        'gm',
      );
      assert.equal(text.match(tracking)?.length, 2, String(port));
    }
    // A publisher through a proxy that hangs comes back through the other one.
    assert.match(text, /on-marked-down shutdown-sessions/);
    assert.doesNotMatch(renderHaproxy({ ...proxies, keepsSessions: true }), /on-marked-down/);
    const binds = [...text.matchAll(/^ {4}bind (\S+)$/gm)].map((match) => match[1]);
    assert.deepEqual(
      binds,
      [21935, 21936, 21938, 21939, 21937].map((port) => `127.0.0.1:${port}`),
    );
    assert.throws(() => renderHaproxy({ ...input, front: 'proxies' }), /needs the ports/);
  });
});
