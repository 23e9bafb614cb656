/** Where libp2p reads which services a service needs beside it, and which one it is: its own symbols, without its code. */
export const serviceDependencies: unique symbol = Symbol.for('@libp2p/service-dependencies');
export const serviceCapabilities: unique symbol = Symbol.for('@libp2p/service-capabilities');
