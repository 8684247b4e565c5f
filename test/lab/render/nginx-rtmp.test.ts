import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { MUTANTS, type MutantId } from '../../../lab/builtin/mutants.ts';
import { LADDER, SOURCE_RUNG } from '../../../lab/render/ladder.ts';
import { renderNginxRtmp } from '../../../lab/render/nginx-rtmp.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';

function render(directory: string, ...mutants: MutantId[]): string {
  return renderNginxRtmp({
    name: 'live',
    host: '127.1.0.1',
    rtmpPort: 21935,
    httpPort: 21936,
    statusPort: 21937,
    directory,
    accessLog: path.join(directory, 'access.log'),
    maxConnections: 500,
    module: '/usr/lib/nginx/modules/ngx_rtmp_module.so',
    ffmpeg: findProgram('ffmpeg') ?? 'ffmpeg',
    find: findProgram('find') ?? 'find',
    ffmpegLog: path.join(directory, 'ffmpeg.log'),
    storage: path.join(directory, 'storage'),
    hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false },
    mutants: new Set(mutants),
  });
}

const own = (Object.keys(MUTANTS) as MutantId[]).filter((id) => MUTANTS[id].role === 'nginx-rtmp');

describe('nginx.conf of nginx-rtmp', () => {
  it('is accepted by nginx, healthy and with each of its defects', () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-nginx-rtmp of a lab-'));
    try {
      for (const kind of ['hls', 'dash', 'vod']) {
        mkdirSync(path.join(directory, 'storage', kind), { recursive: true });
      }
      for (const mutants of [[], ...own.map((id) => [id])]) {
        const file = path.join(directory, 'nginx.conf');
        writeFileSync(file, render(directory, ...mutants));
        const nginx = findProgram('nginx') ?? 'nginx';
        const result = spawnSync(nginx, ['-t', '-p', directory, '-c', file], { encoding: 'utf8' });
        assert.equal(result.status, 0, `${mutants}: ${result.stderr}`);
        assert.doesNotMatch(result.stderr, /\[(warn|emerg|alert)\]/, String(mutants));
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('is another one with each defect', () => {
    const healthy = render('/tmp');
    assert.ok(own.length >= 8);
    for (const id of own) assert.notEqual(render('/tmp', id), healthy, id);
  });

  it('makes every rung that it lists, and listens on its own address only', () => {
    const text = render('/tmp');
    for (const { suffix, bandwidth } of LADDER) {
      assert.match(text, new RegExp(`hls_variant +_${suffix} BANDWIDTH=${bandwidth};`));
      assert.match(text, new RegExp(`-f flv rtmp://127\\.1\\.0\\.1:21935/show/\\$\\{name\\}_${suffix}\\n`));
    }
    const listens = [...text.matchAll(/^\s*listen\s+(\S+);$/gm)].map((match) => match[1]);
    assert.deepEqual(listens, ['127.1.0.1:21936', '127.1.0.1:21937', '127.1.0.1:21935']);
    assert.match(text, /application show \{\s+live +on;\s+deny play all;/);
  });

  it('declares more than the rates that a rung is encoded with, where the guide declares less', () => {
    for (const { suffix, encoded, bandwidth, guideBandwidth } of LADDER) {
      if (encoded === undefined) {
        assert.equal(suffix, SOURCE_RUNG);
        continue;
      }
      assert.ok(bandwidth > (encoded.videoKbps + encoded.audioKbps) * 1000);
      assert.ok(bandwidth > guideBandwidth);
    }
  });
});
