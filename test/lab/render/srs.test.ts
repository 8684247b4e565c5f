import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { renderSrs, type SrsInput } from '../../../lab/render/srs.ts';

const origin: SrsInput = {
  name: 'origin',
  host: '127.1.0.1',
  rtmpPort: 1935,
  httpPort: 8080,
  apiPort: 1985,
  origins: [],
  settings: {
    mergedWriteMs: 100,
    queueSeconds: 12,
    gopCache: false,
    hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
    maxConnections: 5000,
  },
  directory: '/tmp/run',
  logFile: '/tmp/run/origin.log',
};
const edge: SrsInput = { ...origin, name: 'edge-1', origins: ['127.1.0.101:1935', '127.1.0.102:1935'] };

/** The directives of a configuration without its comments, one per line, spaces made one. */
function directives(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '');
}

describe('srs.conf', () => {
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

  const srs = process.env.SRS_BIN;
  if (srs === undefined) {
    console.log('srs.conf: what a real srs says of it was not selected, because SRS_BIN is not set');
  } else {
    it('is accepted by srs', () => {
      const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-srs-'));
      try {
        for (const input of [origin, edge]) {
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
