import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A server and a client that show each other their SVIDs.
 *
 * <pre>
 *   java Greeter.java serve DIRECTORY PASSWORD_FILE ACCEPTED_ID PORT
 *   java Greeter.java call DIRECTORY PASSWORD_FILE ACCEPTED_ID PORT [TIMES]
 * </pre>
 */
public final class Greeter {
    /** Keystore and truststore of a helper. A new handshake takes new files; nothing has to notify us. */
    static final class Identity {
        private final Path keystore;
        private final Path truststore;
        private final Path passwordFile;
        private List<String> seen = List.of();
        private SSLContext context;

        Identity(Path directory, Path passwordFile) {
            keystore = directory.resolve("keystore.p12");
            truststore = directory.resolve("truststore.p12");
            this.passwordFile = passwordFile;
        }

        synchronized SSLContext context() throws IOException, GeneralSecurityException {
            try {
                List<String> now = List.of(stamp(keystore), stamp(truststore));
                if (!now.equals(seen)) {
                    context = load();
                    seen = now;
                }
            } catch (IOException | GeneralSecurityException error) {
                // The files may be gone for a while. What was right before still is, until it expires.
                if (context == null) throw error;
            }
            return context;
        }

        /** Changes with the file that the path leads to. */
        private static String stamp(Path path) throws IOException {
            BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
            return found.fileKey() + " " + found.lastModifiedTime();
        }

        private SSLContext load() throws IOException, GeneralSecurityException {
            char[] password = Files.readString(passwordFile).stripTrailing().toCharArray();
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(KeyStore.getInstance(keystore.toFile(), password), password);
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(KeyStore.getInstance(truststore.toFile(), password));
            SSLContext made = SSLContext.getInstance("TLSv1.3");
            made.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return made;
        }
    }

    private final Identity identity;
    private final String acceptedId;
    private final int port;

    private Greeter(String[] arguments) {
        identity = new Identity(Path.of(arguments[1]), Path.of(arguments[2]));
        acceptedId = arguments[3];
        port = Integer.parseInt(arguments[4]);
    }

    /** Java has verified the chain. Who the peer is, it leaves to us: an SVID need not have a host name. */
    private String peer(SSLSession session) throws IOException, GeneralSecurityException {
        final int uri = 6;
        X509Certificate leaf = (X509Certificate) session.getPeerCertificates()[0];
        for (List<?> name : leaf.getSubjectAlternativeNames()) {
            if (name.get(0).equals(uri) && name.get(1).equals(acceptedId)) return acceptedId;
        }
        throw new SSLHandshakeException("the peer is not " + acceptedId);
    }

    private static String serial(Certificate[] chain) {
        return ((X509Certificate) chain[0]).getSerialNumber().toString(16);
    }

    private void serve() throws IOException {
        try (ServerSocket listener = new ServerSocket(port, 50, InetAddress.getLoopbackAddress())) {
            System.out.println("listening on " + listener.getLocalPort());
            while (true) {
                Socket connection = listener.accept();
                new Thread(() -> greet(connection)).start();
            }
        }
    }

    private void greet(Socket connection) {
        try (connection) {
            connection.setSoTimeout(10_000);
            // A context serves the handshakes that begin with it.
            SSLSocket tls =
                    (SSLSocket) identity.context().getSocketFactory().createSocket(connection, null, connection.getPort(), true);
            tls.setUseClientMode(false);
            tls.setNeedClientAuth(true);
            tls.startHandshake();
            String answer = "hello " + peer(tls.getSession()) + "\n";
            tls.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
            tls.close();
        } catch (IOException | GeneralSecurityException error) {
            System.err.println("refused: " + error.getMessage());
        }
    }

    private void call() throws IOException, GeneralSecurityException {
        Socket plain = new Socket(InetAddress.getLoopbackAddress(), port);
        plain.setSoTimeout(10_000);
        try (SSLSocket tls = (SSLSocket) identity.context().getSocketFactory().createSocket(plain, "localhost", port, true)) {
            tls.startHandshake();
            SSLSession session = tls.getSession();
            String server = peer(session);
            BufferedReader answer = new BufferedReader(new InputStreamReader(tls.getInputStream(), StandardCharsets.UTF_8));
            // In TLS 1.3 a server that refuses our certificate says so only now.
            String line = answer.readLine();
            if (line == null) throw new IOException("the server has closed the connection");
            System.out.println(line + ", from " + server + " with certificate " + serial(session.getPeerCertificates()));
        }
    }

    public static void main(String[] arguments) throws Exception {
        Greeter greeter = new Greeter(arguments);
        if (arguments[0].equals("serve")) {
            greeter.serve();
            return;
        }
        int times = arguments.length > 5 ? Integer.parseInt(arguments[5]) : 1;
        for (int i = 0; i < times; ++i) {
            try {
                greeter.call();
            } catch (IOException | GeneralSecurityException error) {
                System.err.println("refused: " + error.getMessage());
                System.exit(1);
            }
        }
    }
}
