import { Layer } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import { peerBookContract } from "../contract/PeerBook.ts"

// The seed of member 0.
peerBookContract("PeerBookMemory", PeerBookMemory.layer.pipe(Layer.provide(IdentityMemory.layer(new Uint8Array(32)))))
