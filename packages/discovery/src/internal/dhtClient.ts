/**
 * What a node says to speak that asks the DHT and is not asked, for nobody can reach it: by this it is known to take part
 * all the same. Nothing is said over it.
 *
 * @param kadProtocol the protocol id of the DHT
 */
export const dhtClientProtocol = (kadProtocol: string): string => `${kadProtocol}/client`;
