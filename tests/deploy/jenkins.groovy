// Runs declarative Jenkinsfiles without Jenkins: evaluates their blocks as Jenkins does, notes what they call, and knows
// nothing else: a step, option or section that is not listed here ends a run with an error.
// groovy jenkins.groovy < RUNS, a JSON line each {file, parameters, failing}; a JSON line each {calls, halted}
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

class Halt extends RuntimeException { Halt(String why) { super(why) } }

class Run {
    Map given; String failing; Map params = [:]; Map env = [BUILD_TAG: 'jenkins-bank-stream-7']
    List secrets = []; String stage = null; List calls = []

    void note(Map what) { calls << what + [stage: stage] }

    // Text in double quotes is put together by Groovy, before the shell sees it.
    void sh(command) {
        if (!(command instanceof String)) throw new Halt("sh with interpolated text: ${command}")
        note([sh: command, secrets: secrets.flatten()])
        if (command == failing) throw new Halt("${command} has failed")
    }
    void echo(String text) { note([echo: text]) }
    void withCredentials(List wanted, Closure body) { secrets << wanted*.variables.flatten(); call(body); secrets.pop() }
    Map aws(Map m) { [id: m.credentialsId, variables: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']] }
    Map string(Map m) { [id: m.credentialsId, variables: [m.variable]] }
    Map file(Map m) { [id: m.credentialsId, variables: [m.variable]] }

    void call(Closure body, Object to = this) {
        body.delegate = to
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }
    def propertyMissing(String name) { throw new Halt("unknown: ${name}") }
}

class Parameters {
    Run run
    private void take(String kind, Map m, standard) {
        if (!m.description) throw new Halt("parameter ${m.name} has no description")
        run.note([parameter: m.name, kind: kind, value: standard])
        run.params[m.name] = run.given.containsKey(m.name) ? run.given[m.name] : standard
    }
    void string(Map m) { take('string', m, m.defaultValue) }
    void booleanParam(Map m) { take('boolean', m, m.defaultValue) }
    void choice(Map m) { take('choice', m, m.choices[0]) }
}

class Options {
    Run run
    void disableConcurrentBuilds() { run.note([option: 'disableConcurrentBuilds']) }
    void timeout(Map m) { run.note([option: 'timeout', value: "${m.time} ${m.unit}".toString()]) }
    void timestamps() { run.note([option: 'timestamps']) }
    void buildDiscarder(Map m) { run.note([option: 'buildDiscarder']) }
    Map logRotator(Map m) { m }
}

class Environment {
    Run run
    void setProperty(String name, value) { run.env[name] = value.toString() }
    def getProperty(String name) { name == 'run' ? this.@run : name == 'params' ? this.@run.params : name == 'env' ? this.@run.env : null }
}

class When {
    boolean holds = true
    void expression(Closure test) { holds = test() }
}

class Stage {
    Run run; boolean goes = true
    void when(Closure body) { def when = new When(); run.call(body, when); goes = when.holds }
    void options(Closure body) { if (goes) run.call(body, new Options(run: run)) }
    void steps(Closure body) { if (goes) run.call(body) }
}

class Stages {
    Run run
    void stage(String name, Closure body) {
        run.stage = name
        run.call(body, new Stage(run: run))
        run.stage = null
    }
}

class Post {
    Run run; Halt halted
    void unsuccessful(Closure body) { if (halted) run.call(body) }
    void cleanup(Closure body) { run.call(body) }
}

class Pipeline {
    Run run; Halt halted
    Map getParams() { run.params }
    Map getEnv() { run.env }
    void agent(Closure body) { run.call(body, new Expando(label: { run.note([agent: it]) })) }
    void options(Closure body) { run.call(body, new Options(run: run)) }
    void parameters(Closure body) { run.call(body, new Parameters(run: run)) }
    void environment(Closure body) { run.call(body, new Environment(run: run)); run.note([environment: run.env]) }
    void stages(Closure body) { try { run.call(body, new Stages(run: run)) } catch (Halt | MissingMethodException why) { halted = new Halt(why.message) } }
    void post(Closure body) { run.call(body, new Post(run: run, halted: halted)) }
}

def play(Map wanted) {
    def run = new Run(given: wanted.parameters as Map, failing: wanted.failing)
    def pipeline = new Pipeline(run: run)
    def script = new GroovyShell(new Binding([params: run.params, env: run.env])).parse(new File(wanted.file))
    script.metaClass.pipeline = { Closure body -> run.call(body, pipeline) }
    try {
        script.run()
    } catch (Halt | MissingMethodException | MissingPropertyException why) {
        pipeline.halted = new Halt(why.message)
    }
    [calls: run.calls, halted: pipeline.halted?.message]
}

System.in.eachLine { println JsonOutput.toJson(play(new JsonSlurper().parseText(it) as Map)) }
