/** One request to a node, bounded in time and size. */
import http from 'node:http';

export interface RequestLimits {
  /** From the request to the end of the answer, in ms. */
  readonly timeoutMs: number;
  /** Of the answer's body, in bytes. */
  readonly maxBody: number;
  /** Gives the request up. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves with the body of a 200 or 201; rejects with why there is none.
 * @param content JSON that is sent.
 */
export function requestText(
  at: { readonly host: string; readonly port: number },
  method: 'GET' | 'DELETE' | 'POST',
  path: string,
  { timeoutMs, maxBody, signal }: RequestLimits,
  content?: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // SRS keeps the socket of a keep-alive request for 15 s (facts/srs.md 3.1).
    const headers = {
      connection: 'close',
      ...(content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
    };
    const options = { ...at, method, path, agent: false, headers, ...(signal ? { signal } : {}) };
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBody) request.destroy(new Error(`the body is above ${maxBody} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 || response.statusCode === 201)
          resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`HTTP status ${response.statusCode}`));
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.end(content);
  });
}
