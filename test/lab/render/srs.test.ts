import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { renderSrs, type SrsInput } from '../../../lab/render/srs.ts';

const origin: SrsInput = {
  name: 'origin',
  role: 'origin',
  host: '127.1.0.1',
  rtmpPort: 1935,
  httpPort: 8080,
  apiPort: 1985,
  origins: [],
  forwards: [],
  hls: false,
  settings: {
    mergedWriteMs: 100,
    queueSeconds: 12,
    gopCache: false,
    hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
    maxConnections: 5000,
  },
  directory: '/tmp/run',
  folder: '/tmp/run/www/origin',
  logFile: '/tmp/run/origin.log',
};
const edge: SrsInput = {
  ...origin,
  name: 'edge-1',
  role: 'edge',
  hls: true,
  origins: ['127.1.0.101:1935', '127.1.0.102:1935'],
};
const master: SrsInput = {
  ...origin,
  name: 'master-1',
  role: 'master',
  forwards: ['127.1.0.103:1935', '127.1.0.104:1935'],
};

const coworker: SrsInput = {
  ...origin,
  name: 'origin-1',
  coworkers: ['127.1.0.105:1985', '127.1.0.106:1985'],
};
const registered: SrsInput = {
  ...origin,
  name: 'origin-2',
  heartbeat: { url: 'http://127.1.0.107:12025/api/v1/srs/register', deviceId: 'origin-2', seconds: 9 },
};
const reporting: SrsInput = {
  ...coworker,
  name: 'origin-3',
  hooks: {
    onPublish: 'http://127.1.0.108:1985/api/v1/hooks/on_publish?rtmp=127.1.0.3:1935&api=127.1.0.109:1985',
    onUnpublish: 'http://127.1.0.108:1985/api/v1/hooks/on_unpublish?rtmp=127.1.0.3:1935&api=127.1.0.109:1985',
  },
};

/** The directives of a configuration without its comments, one per line, spaces made one. */
function directives(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '');
}

describe('srs.conf', () => {
  it('has SRT where there is a port for it, with its settings', () => {
    const srt = { latencyMs: 300, peerLatencyMs: 40, passphrase: 'a-passphrase', pbkeylen: 32 } as const;
    const lines = directives(
      renderSrs({ ...origin, srtPort: 10080, settings: { ...origin.settings, srt } }),
    ).join('\n');
    const server =
      'srt_server { enabled on; listen 10080; recvlatency 300; peerlatency 40; passphrase a-passphrase; pbkeylen 32; }';
    assert.ok(lines.includes(server.replaceAll(/([;{]) /g, '$1\n')), lines);
    assert.ok(lines.includes('srt {\nenabled on;\nsrt_to_rtmp on;\n}'));
    const plain = renderSrs({ ...origin, srtPort: 10080 });
    assert.ok(directives(plain).includes('recvlatency 120;'));
    assert.ok(!plain.includes('passphrase'));
    assert.ok(!renderSrs(origin).includes('srt'));
  });

  it('forgets SRT callers that have vanished when it is told to', () => {
    const lines = directives(
      renderSrs({ ...origin, srtPort: 10080, settings: { ...origin.settings, srt: { peerIdleMs: 4000 } } }),
    );
    assert.ok(lines.includes('peer_idle_timeout 4000;'));
    assert.ok(!renderSrs({ ...origin, srtPort: 10080 }).includes('peer_idle_timeout'));
  });

  it('has WebRTC where there is a port for it, with its settings', () => {
    const rtc = { stunTimeoutSeconds: 7, pliSeconds: 2 };
    const lines = directives(
      renderSrs({ ...origin, rtcPort: 8000, settings: { ...origin.settings, rtc } }),
    ).join('\n');
    assert.match(lines, /^rtc_server \{\nenabled on;\nlisten 8000;\ncandidate 127\.0\.0\.1;$/m);
    assert.match(
      lines,
      /^rtc \{\nenabled on;\nrtmp_to_rtc on;\nrtc_to_rtmp on;\nstun_timeout 7;\npli_for_rtmp 2;\n\}$/m,
    );
    assert.match(renderSrs({ ...origin, rtcPort: 8000 }), /stun_timeout +30;/);
    assert.ok(!renderSrs(origin).includes('rtc'));
  });

  it('carries the settings', () => {
    const lines = directives(renderSrs(origin));
    for (const line of [
      'listen 127.1.0.1:1935;',
      'max_connections 5000;',
      'daemon off;',
      'gop_cache off;',
      'queue_length 12;',
      'mw_latency 100;',
      'time_jitter off;',
      'query_latest_version off;',
    ]) {
      assert.ok(lines.includes(line), `expected '${line}' in\n${lines.join('\n')}`);
    }
  });

  it('makes an edge of a node with origins, and of no other', () => {
    assert.doesNotMatch(renderSrs(origin), /\bcluster \{|mode +remote/);
    const lines = directives(renderSrs(edge));
    const at = lines.indexOf('cluster {');
    assert.deepEqual(lines.slice(at, at + 4), [
      'cluster {',
      'mode remote;',
      'origin 127.1.0.101:1935 127.1.0.102:1935;',
      '}',
    ]);
  });

  it('asks its coworkers, which makes no edge of it', () => {
    const lines = directives(renderSrs(coworker));
    const at = lines.indexOf('cluster {');
    assert.deepEqual(lines.slice(at, at + 5), [
      'cluster {',
      'mode local;',
      'origin_cluster on;',
      'coworkers 127.1.0.105:1985 127.1.0.106:1985;',
      '}',
    ]);
  });

  it('registers by its heartbeat, with its ports', () => {
    assert.doesNotMatch(renderSrs(origin), /\bheartbeat \{/);
    const lines = directives(renderSrs(registered));
    const at = lines.indexOf('heartbeat {');
    assert.deepEqual(lines.slice(at, at + 8), [
      'heartbeat {',
      'enabled on;',
      'interval 9;',
      'url http://127.1.0.107:12025/api/v1/srs/register;',
      'device_id origin-2;',
      'ports on;',
      'summaries off;',
      '}',
    ]);
  });

  it('tells a stream manager of its publishers, and where it is itself', () => {
    assert.doesNotMatch(renderSrs(origin), /\bhttp_hooks \{/);
    const lines = directives(renderSrs(reporting));
    const at = lines.indexOf('http_hooks {');
    assert.deepEqual(lines.slice(at, at + 5), [
      'http_hooks {',
      'enabled on;',
      `on_publish ${reporting.hooks!.onPublish};`,
      `on_unpublish ${reporting.hooks!.onUnpublish};`,
      '}',
    ]);
  });

  it('forwards from a master to every slave', () => {
    assert.doesNotMatch(renderSrs(origin), /\bforward \{/);
    const lines = directives(renderSrs(master));
    const at = lines.indexOf('forward {');
    assert.deepEqual(lines.slice(at, at + 4), [
      'forward {',
      'enabled on;',
      'destination 127.1.0.103:1935 127.1.0.104:1935;',
      '}',
    ]);
  });

  it('cuts HLS where it is asked to, into the folder that its HTTP server serves', () => {
    assert.doesNotMatch(renderSrs(origin), /\bhls \{/);
    const lines = directives(renderSrs(edge));
    const at = lines.indexOf('hls {');
    assert.deepEqual(lines.slice(at, at + 8), [
      'hls {',
      'enabled on;',
      'hls_path /tmp/run/www/origin;',
      'hls_fragment 10;',
      'hls_window 60;',
      'hls_ctx on;',
      'hls_ts_ctx on;',
      '}',
    ]);
    const hls = { ...edge.settings.hls, disposeSeconds: 1.5 };
    const disposing = directives(renderSrs({ ...edge, settings: { ...edge.settings, hls } }));
    assert.equal(disposing[at + 7], 'hls_dispose 2;');
    assert.ok(lines.includes('dir /tmp/run/www/origin;'));
  });

  const srs = process.env.SRS_BIN;
  if (srs === undefined) {
    console.log('srs.conf: what a real srs says of it was not selected, because SRS_BIN is not set');
  } else {
    it('is accepted by srs', () => {
      const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-srs-'));
      try {
        for (const input of [origin, edge, master, coworker, registered, reporting]) {
          const file = path.join(directory, `${input.name}.conf`);
          writeFileSync(file, renderSrs({ ...input, directory, logFile: path.join(directory, 'srs.log') }));
          const result: SpawnSyncReturns<string> = spawnSync(srs, ['-t', '-c', file], {
            cwd: directory,
            encoding: 'utf8',
          });
          assert.equal(result.status, 0, result.stdout + result.stderr);
        }
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});
