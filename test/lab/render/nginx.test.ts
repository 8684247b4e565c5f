import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { MUTANTS, type Mutant, type MutantId } from '../../../lab/builtin/mutants.ts';
import { type NginxInput, renderNginx } from '../../../lab/render/nginx.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';

const KINDS = ['files', 'cache', 'balancer'] as const;
const WEB_MUTANTS = (Object.keys(MUTANTS) as MutantId[]).filter((id) => MUTANTS[id].role === 'web');

function input(directory: string, over: Partial<NginxInput> = {}): NginxInput {
  return {
    kind: 'files',
    name: 'web',
    host: '127.0.0.1',
    httpPort: 21080,
    statusPort: 21085,
    directory,
    accessLog: path.join(directory, 'access.ndjson'),
    maxConnections: 1000,
    folder: directory,
    upstreams: ['127.1.0.101:8080', '127.1.0.102:8080'],
    hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false },
    mutants: new Set(),
    ...over,
  };
}

/** What `nginx -t` says of it; empty when it is content. */
function complaints(over: Partial<NginxInput>): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-nginx of a lab-'));
  try {
    const file = path.join(directory, 'nginx.conf');
    writeFileSync(file, renderNginx(input(directory, over)));
    const nginx = findProgram('nginx') ?? 'nginx';
    const { status, stderr } = spawnSync(nginx, ['-t', '-p', directory, '-e', 'stderr', '-c', file], {
      encoding: 'utf8',
    });
    return status === 0 && !/\[(warn|error|emerg)\]/.test(stderr) ? '' : stderr;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('nginx.conf', () => {
  it('of every kind, with every mutant, is accepted by nginx without a warning', () => {
    for (const kind of KINDS) {
      assert.equal(complaints({ kind }), '', kind);
      for (const mutant of WEB_MUTANTS) {
        assert.equal(complaints({ kind, mutants: new Set([mutant]) }), '', `${kind} ${mutant}`);
      }
    }
  });

  it('is accepted for every length of fragment', () => {
    for (const fragmentSeconds of [0.5, 1, 2, 3, 4, 10]) {
      const hls = { fragmentSeconds, windowSeconds: 60, sessions: false };
      assert.equal(complaints({ kind: 'cache', hls }), '', String(fragmentSeconds));
    }
  });

  it('is another one for each mutant of its kind, and the same for the others', () => {
    for (const kind of KINDS) {
      const healthy = renderNginx(input('/run', { kind }));
      for (const id of WEB_MUTANTS) {
        const mutant: Mutant = MUTANTS[id];
        const spoiled = renderNginx(input('/run', { kind, mutants: new Set([id]) }));
        const concerned = mutant.web === undefined || mutant.web === kind;
        if (concerned) assert.notEqual(spoiled, healthy, `${kind} ${id}`);
        else assert.equal(spoiled, healthy, `${kind} ${id}`);
      }
    }
  });

  it('binds to the address it is given and to no other', () => {
    for (const kind of KINDS) {
      const text = renderNginx(input('/run', { kind }));
      const listens = [...text.matchAll(/^ +listen +(\S+);$/gm)].map((match) => match[1]);
      assert.deepEqual(listens, ['127.0.0.1:21080', '127.0.0.1:21085'], kind);
    }
  });
});
