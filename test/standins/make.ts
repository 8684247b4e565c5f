/**
 * Makes stand-ins for the images of docker-compose.yml that Debian's packages can be: `node --import tsx
 * test/standins/make.ts [name...]`, where images cannot be pulled. It needs debootstrap, docker, and root. An image that is
 * there is left as it is, also when it is the real one.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { IMAGES } from '../../lab/render/compose-plan.ts';
import { runCommand } from '../../lab/runners/command.ts';

const BASE = 'liveproof-standin/debian';
const MINUTES = 60_000;
const ENVIRONMENT = { DOCKER_BUILDKIT: '0' };

/** By target of Dockerfile: the name that it takes. `base` is debian's. */
const NAMES: Readonly<Record<string, string>> = {
  base: 'debian:12.8-slim',
  haproxy: IMAGES.haproxy,
  nginx: IMAGES.nginx,
  redis: IMAGES.redis,
  prometheus: IMAGES.prometheus,
  node: 'node:20.18.1-bookworm-slim',
};

async function isThere(image: string): Promise<boolean> {
  return runCommand(['docker', 'image', 'inspect', image]).then(
    () => true,
    () => false,
  );
}

async function makeBase(work: string): Promise<void> {
  if (await isThere(BASE)) return;
  const root = join(work, 'root');
  const archive = join(work, 'root.tar');
  await runCommand(['debootstrap', '--variant=minbase', 'bookworm', root], { timeoutMs: 10 * MINUTES });
  await runCommand(['tar', '-C', root, '-cf', archive, '.'], { timeoutMs: 2 * MINUTES });
  const label = 'LABEL liveproof.standin=true';
  await runCommand(['docker', 'import', '--change', label, '--change', 'CMD ["bash"]', archive, BASE], {
    timeoutMs: 2 * MINUTES,
  });
}

/** Dockerfile, and for `node` the program of this process and its npm. */
function contextOf(name: string, work: string): string {
  const context = join(work, name);
  mkdirSync(context);
  cpSync(join(import.meta.dirname, 'Dockerfile'), join(context, 'Dockerfile'));
  if (name !== 'node') return context;
  const program = realpathSync(process.execPath);
  cpSync(program, join(context, 'node'));
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(context, 'ca-certificates.crt'));
  cpSync(resolve(dirname(program), '../lib/node_modules/npm'), join(context, 'npm'), { recursive: true });
  return context;
}

const asked = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'liveproof-standins-'));
try {
  await makeBase(work);
  for (const [name, image] of Object.entries(NAMES)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    if (await isThere(image)) {
      console.log(`${image} is there`);
      continue;
    }
    const context = contextOf(name, work);
    const build = [
      'docker',
      'build',
      '--quiet',
      '--target',
      name,
      '--build-arg',
      `BASE=${BASE}`,
      '--tag',
      image,
    ];
    await runCommand([...build, context], { timeoutMs: 10 * MINUTES, env: ENVIRONMENT });
    console.log(`${image} is a stand-in`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
