/** Files of a folder over HTTP: pages and players that come with the proxy (seeds/001, PROXY_STATIC_FILES). */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.gif': 'image/gif',
  '.ico': 'image/x-icon',
  '.wasm': 'application/wasm',
  '.mp4': 'video/mp4',
  '.xml': 'text/xml',
  '.swf': 'application/x-shockwave-flash',
};

export class StaticFiles {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Undefined when there is no such folder. */
  static async open(folder: string): Promise<StaticFiles | undefined> {
    try {
      const root = await realpath(folder);
      return (await stat(root)).isDirectory() ? new StaticFiles(root) : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Answers with the file, or with `index.html` of a folder. Nothing outside the folder is served, not by `..` and
   * not by a link. False, and no answer, when there is none.
   */
  async serve(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const file = await this.#file(path);
    if (!file || response.destroyed) return file !== undefined;
    response.writeHead(200, {
      'Content-Type': TYPES[extname(file.path).toLowerCase()] ?? 'application/octet-stream',
      'Content-Length': file.size,
      'X-Content-Type-Options': 'nosniff',
    });
    if (request.method === 'HEAD') response.end();
    else {
      const stream = createReadStream(file.path);
      stream.on('error', () => response.destroy());
      response.on('close', () => stream.destroy());
      stream.pipe(response);
    }
    return true;
  }

  async #file(path: string): Promise<{ readonly path: string; readonly size: number } | undefined> {
    try {
      const asked = decodeURIComponent(path);
      let found = await this.#inside(asked);
      if (found && (await stat(found)).isDirectory()) found = await this.#inside(join(asked, 'index.html'));
      if (!found) return undefined;
      const { size } = await stat(found);
      return { path: found, size };
    } catch {
      return undefined;
    }
  }

  async #inside(path: string): Promise<string | undefined> {
    if (path.includes('\0')) return undefined;
    const found = await realpath(join(this.#root, path));
    return found === this.#root || found.startsWith(this.#root + sep) ? found : undefined;
  }
}
