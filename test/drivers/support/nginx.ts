/** Debian's nginx with libnginx-mod-rtmp, in the foreground, with a configuration and a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';

export interface Nginx {
  readonly rtmpPort: number;
  readonly httpPort: number;
  /** Files put here are served at `/`. */
  readonly root: string;
  stop(): Promise<void>;
}

export async function startNginx(): Promise<Nginx> {
  const root = await mkdtemp(join(tmpdir(), 'liveproof-nginx-'));
  const [rtmpPort, httpPort] = [await freePort(), await freePort()];
  const configuration = `
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; worker_processes 1; user root;
error_log ${root}/error.log; pid ${root}/nginx.pid;
events { worker_connections 512; }
rtmp { server { listen 127.0.0.1:${rtmpPort}; ping 1s; ping_timeout 5s; ack_window 100000;
  application live { live on; wait_key on; wait_video on; }
  application segments { live on; hls on; hls_path ${root}/hls; hls_fragment 1s; hls_playlist_length 6s; } } }
http { access_log off; server { listen 127.0.0.1:${httpPort}; root ${root};
  location /moved/ { return 302 http://127.0.0.1:${httpPort}/media.flv; } } }
`;
  const file = join(root, 'nginx.conf');
  await writeFile(file, configuration);
  const child = spawn('/usr/sbin/nginx', ['-c', file, '-p', root], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await Promise.all([listening(child, rtmpPort), listening(child, httpPort)]);
  return {
    rtmpPort,
    httpPort,
    root,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Resolves when the port answers; rejects when the program is gone. */
async function listening(child: ChildProcess, port: number): Promise<void> {
  const until = performance.now() + 5000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nginx exited with ${child.exitCode}`);
    const socket = connect(port, '127.0.0.1');
    const answer = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (answer) return;
    if (performance.now() > until) throw new Error(`nginx does not listen on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
