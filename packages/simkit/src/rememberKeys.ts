// Loaded before anything else (`node --import @lloom/simkit/remember-keys`): lets @libp2p/crypto remember the secp256k1 keys that
// it has read and derived, and the addon `secp256k1` the signatures that it has checked. Refused in production.
//
// libp2p reads a public key anew, with two square roots, whenever it meets the id of a peer: in every answer of the DHT
// twenty times. In simulations of many nodes that is two fifths of all that is computed, and proves nothing. What is read
// and refused stays the same. One message is checked by every node that it reaches, and in one process with one result.
import { registerHooks } from 'node:module';

const curve = '@noble/curves/secp256k1.js';
const isCrypto = /\/@libp2p\/crypto\/dist\/src\/keys\/secp256k1\/[^/]+\.js$/;
const isAddon = /\/secp256k1\/bindings\.js$/;
const wrapped = 'lloom-simkit:secp256k1';

if (process.env['NODE_ENV'] === 'production') {
  // Loaded late: what errors need would load libp2p before the hooks are there.
  const { SimkitError } = await import('./errors.ts');
  throw new SimkitError('PRODUCTION', {});
}

/** Put behind the addon's own source. What it throws for is not remembered. */
const rememberChecks = `
{
  const { ecdsaVerify, ecdsaRecover } = module.exports;
  const known = new Map();
  const textOf = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const remember = (key, value) => {
    if (known.size >= 16384) known.clear();
    known.set(key, value);
    return value;
  };
  module.exports.ecdsaVerify = (signature, digest, publicKey) => {
    const key = 'v' + textOf(signature) + textOf(digest) + textOf(publicKey);
    return known.get(key) ?? remember(key, ecdsaVerify(signature, digest, publicKey));
  };
  module.exports.ecdsaRecover = (signature, id, digest, isCompressed, output) => {
    if (!(output instanceof Uint8Array)) return ecdsaRecover(signature, id, digest, isCompressed, output);
    const key = 'r' + id + isCompressed + textOf(signature) + textOf(digest);
    const before = known.get(key);
    if (before === undefined || before.length !== output.length) {
      remember(key, Uint8Array.from(ecdsaRecover(signature, id, digest, isCompressed, output)));
    } else {
      output.set(before);
    }
    return output;
  };
}`;

const textOf = (source: unknown): string =>
  typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString('utf8');

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== curve || !isCrypto.test(context.parentURL ?? '')) return next(specifier, context);
    const { url } = next(specifier, context);
    return { url: `${wrapped}?${url}`, format: 'module', shortCircuit: true };
  },
  load(url, context, next) {
    if (isAddon.test(url)) {
      const loaded = next(url, context);
      return { ...loaded, source: `${textOf(loaded.source)}\n${rememberChecks}` };
    }
    if (!url.startsWith(wrapped)) return next(url, context);
    const source = `
      import { secp256k1 as original } from ${JSON.stringify(url.slice(wrapped.length + 1))};
      const points = new Map();
      const publicKeys = new Map();
      const textOf = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
      const remembered = (known, key, make) => {
        const before = known.get(key);
        if (before !== undefined) return before;
        const made = make();
        if (known.size >= 16384) known.clear();
        known.set(key, made);
        return made;
      };
      const fromBytes = (bytes) =>
        bytes.length === 33
          ? remembered(points, textOf(bytes), () => original.Point.fromBytes(bytes))
          : original.Point.fromBytes(bytes);
      const getPublicKey = (key, isCompressed) =>
        key instanceof Uint8Array && isCompressed === true
          ? Uint8Array.from(remembered(publicKeys, textOf(key), () => original.getPublicKey(key, true)))
          : original.getPublicKey(key, isCompressed);
      export const secp256k1 = { ...original, getPublicKey, Point: { fromBytes } };
    `;
    return { format: 'module', source, shortCircuit: true };
  },
});
