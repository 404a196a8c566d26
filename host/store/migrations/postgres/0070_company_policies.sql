-- How a company's phones register and from where it may be used: one JSON text each; a company without has the defaults.

CREATE TABLE company_policies (
    company_id BIGINT NOT NULL PRIMARY KEY,
    brand_id   BIGINT NOT NULL,
    policy     TEXT   NOT NULL CONSTRAINT company_policies_policy CHECK (length(policy) BETWEEN 2 AND 65536),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id) ON DELETE CASCADE
);

CREATE TRIGGER company_policies_moves_version AFTER INSERT OR UPDATE OR DELETE ON company_policies FOR EACH STATEMENT EXECUTE FUNCTION move_version();
