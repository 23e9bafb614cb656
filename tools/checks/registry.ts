import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Packed } from './packed.ts';

/** A registry of npm packages on this machine. Nobody publishes to it: it is given what it has. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
}

/** Gives packages to whoever installs, as a registry does. */
export async function serveRegistry(packages: readonly Packed[]): Promise<Registry> {
  const tarballs = new Map(packages.map(({ manifest, data }) => [`/${manifest.name}/-/it.tgz`, data]));
  const documents = new Map(packages.map((packed) => [`/${packed.manifest.name}`, packed]));

  const documentOf = ({ manifest, data }: Packed): object => {
    const { name, version = '' } = manifest;
    const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`;
    const dist = { tarball: `${url}/${name}/-/it.tgz`, integrity };
    return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } };
  };

  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const tarball = tarballs.get(path);
    const found = documents.get(path);
    if (request.method !== 'GET') response.writeHead(405).end();
    else if (tarball !== undefined) response.end(tarball);
    else if (found === undefined) response.writeHead(404).end('{}');
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(documentOf(found)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
