// A server that speaks MongoDB's protocol, on 127.0.0.1: `mongo.groovy PORT REFUSAL [FILE]`.
// Its data is in memory, or in FILE. While the file REFUSAL exists, every write is refused with its first line, a code
// of MongoDB's, and its second, the message.
import de.bwaldvogel.mongo.MongoServer
import de.bwaldvogel.mongo.MongoVersion
import de.bwaldvogel.mongo.backend.h2.H2Backend
import de.bwaldvogel.mongo.backend.memory.MemoryBackend
import de.bwaldvogel.mongo.bson.Document
import de.bwaldvogel.mongo.exception.MongoServerError
import de.bwaldvogel.mongo.wire.message.MongoMessage

// Of the newest drivers' liking; its own 5.0 says wire version 8.
class Version implements MongoVersion {
    List<Integer> getVersionArray() { [5, 0, 0] }

    int getWireVersion() { 13 }
}

class Refusal {
    static final Set<String> WRITES = ['insert', 'update', 'delete', 'findAndModify', 'create', 'createIndexes']
    static File file

    static void check(MongoMessage message) {
        if (file.exists() && message.document.keySet().iterator().next() in WRITES) {
            List<String> lines = file.readLines()
            throw new MongoServerError(lines[0] as int, lines[1], lines[1])
        }
    }
}

class InMemory extends MemoryBackend {
    Document handleMessage(MongoMessage message) {
        Refusal.check(message)
        super.handleMessage(message)
    }
}

class InFile extends H2Backend {
    InFile(String file) { super(file) }

    Document handleMessage(MongoMessage message) {
        Refusal.check(message)
        super.handleMessage(message)
    }
}

Refusal.file = new File(args[1])
def backend = args.length > 2 ? new InFile(args[2]) : new InMemory()
backend.version(new Version())
def server = new MongoServer(backend)
server.bind('127.0.0.1', args[0] as int)
Runtime.runtime.addShutdownHook(new Thread({ server.shutdownNow() }))
