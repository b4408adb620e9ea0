import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other in one process, since starting Java takes longer than most of them.
 *
 * <p>A call on standard input is: the number of texts (4 bytes, big endian), then each text as its length (4 bytes) and its
 * UTF-8 bytes: the class, what the tool reads from its standard input, and its arguments. The answer on standard output is
 * the exit code (4 bytes), then what the tool printed on standard output and standard error, as texts.
 */
public class KafkaTools {
    /** Where a tool would end the process. */
    private static final class Ended extends Error {
        final int code;

        Ended(int code) {
            super(null, null, false, false);
            this.code = code;
        }
    }

    /** The first end of the tool that runs. */
    private static volatile Ended ended;

    public static void main(String[] none) throws Exception {
        DataInputStream calls = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        PrintStream ownErrors = System.err;
        Exit.Procedure stop = (code, message) -> {
            if (ended == null) {
                ended = new Ended(code);
                // Some tools catch everything, and tell what they caught: that is not theirs.
                System.out.flush();
                System.err.flush();
                System.setOut(new PrintStream(OutputStream.nullOutputStream()));
                System.setErr(new PrintStream(OutputStream.nullOutputStream()));
            }
            throw ended;
        };
        Exit.setExitProcedure(stop);
        Exit.setHaltProcedure(stop);
        List<Runnable> hooks = new ArrayList<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        while (true) {
            String[] texts;
            try {
                texts = new String[calls.readInt()];
            } catch (EOFException end) {
                // Threads that a tool has left behind must not keep this process.
                Runtime.getRuntime().halt(0);
                return;
            }
            for (int i = 0; i < texts.length; i++) {
                texts[i] = new String(calls.readNBytes(calls.readInt()), StandardCharsets.UTF_8);
            }
            String[] arguments = java.util.Arrays.copyOfRange(texts, 2, texts.length);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(texts[1].getBytes(StandardCharsets.UTF_8)));
            PrintStream toOut = new PrintStream(out, true);
            PrintStream toErr = new PrintStream(err, true);
            System.setOut(toOut);
            System.setErr(toErr);
            ended = null;
            hooks.clear();
            int code = 0;
            try {
                Class.forName(texts[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
            } catch (InvocationTargetException thrown) {
                if (!(thrown.getCause() instanceof Ended)) {
                    thrown.getCause().printStackTrace();
                    code = 1;
                }
            }
            if (ended != null) {
                code = ended.code;
            }
            System.setOut(toOut);
            System.setErr(toErr);
            // Some tools send their last records here.
            for (Runnable hook : hooks) {
                try {
                    hook.run();
                } catch (Throwable thrown) {
                    thrown.printStackTrace();
                }
            }
            toOut.flush();
            toErr.flush();
            System.setErr(ownErrors);
            answers.writeInt(code);
            write(answers, out);
            write(answers, err);
            answers.flush();
        }
    }

    private static void write(DataOutputStream answers, ByteArrayOutputStream text) throws IOException {
        answers.writeInt(text.size());
        text.writeTo(answers);
    }
}
