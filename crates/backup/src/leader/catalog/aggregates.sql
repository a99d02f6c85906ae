SELECT p.name AS identity,
       concat_ws(' ', pg_get_function_arguments(p.oid), 'state', format_type(a.aggtranstype, NULL),
                 'moving state ' || format_type(nullif(a.aggmtranstype, 0), NULL),
                 'sort operator ' || nullif(a.aggsortop, 0)::regoperator, 'parallel', p.proparallel,
                 to_jsonb(a) - '{aggfnoid,aggtranstype,aggmtranstype,aggsortop}'::text[]) AS definition
FROM own_function p JOIN pg_aggregate a ON a.aggfnoid = p.oid
