// Loaded before tests (`--import`): lets @libp2p/crypto remember the secp256k1 keys that it has read.
//
// libp2p reads a public key anew, with two square roots, whenever it meets the id of a peer: in every answer of the DHT
// twenty times. In simulations of many nodes that is two fifths of all that is computed, and proves nothing. What is read
// and refused stays the same.
import { registerHooks } from 'node:module';

const curve = '@noble/curves/secp256k1.js';
const isCrypto = /\/@libp2p\/crypto\/dist\/src\/keys\/secp256k1\/[^/]+\.js$/;
const wrapped = 'lloom-test:secp256k1';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== curve || !isCrypto.test(context.parentURL ?? '')) return next(specifier, context);
    const { url } = next(specifier, context);
    return { url: `${wrapped}?${url}`, format: 'module', shortCircuit: true };
  },
  load(url, context, next) {
    if (!url.startsWith(wrapped)) return next(url, context);
    const source = `
      import { secp256k1 as original } from ${JSON.stringify(url.slice(wrapped.length + 1))};
      const points = new Map();
      const fromBytes = (bytes) => {
        if (bytes.length !== 33) return original.Point.fromBytes(bytes);
        const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
        let point = points.get(key);
        if (point !== undefined) return point;
        point = original.Point.fromBytes(bytes);
        if (points.size >= 16384) points.clear();
        points.set(key, point);
        return point;
      };
      export const secp256k1 = { ...original, Point: { fromBytes } };
    `;
    return { format: 'module', source, shortCircuit: true };
  },
});
